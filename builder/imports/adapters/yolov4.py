"""YOLOv3 and YOLOv4 exported by pytorch-YOLOv4, and other networks with boxes as fractions and no background.

Reference: https://github.com/Tianxiaomo/pytorch-YOLOv4, `tool/yolo_layer.py`, `yolo_forward`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import boxes_and_classes

OUTPUTS = "boxes (1, N, 1, 4) or (1, N, 4): x1, y1, x2, y2 as fractions of the input; confs (1, N, K): in [0, 1]"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.4


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs with as many rows."""
    flat = {
        name: (*shape[:2], 4) if len(shape) == 4 and shape[2:] == (1, 4) else shape for name, shape in outputs.items()
    }
    found = boxes_and_classes(flat)
    return AdapterMatch((found.boxes, found.classes), found.columns) if found else None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Boxes are corners as fractions, and no column is the background."""
    boxes, scores = arrays
    return values.first_reason(
        pixels=values.are_pixels(boxes),
        no_corners=values.are_no_corners(boxes),
        no_scores=not values.are_scores(scores),
        a_column_for_the_background=values.have_background(scores),
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Turn fractions into pixels."""
    boxes, scores = arrays
    return decoding.in_pixels(boxes.reshape(1, -1, 4), layout), scores


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    boxes, scores = outputs
    rows = ops.reshape(boxes, np.array([1, -1, 4]), False)
    return decoding.in_pixels_nodes(rows, layout, ops), scores
