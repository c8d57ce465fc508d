"""YOLOv8, YOLO11 and other anchor-free networks of Ultralytics, exported without suppression.

Reference: https://docs.ultralytics.com/modes/export/; the head is `ultralytics/nn/modules/head.py`, class Detect.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.feature_levels import feature_strides
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = "(1, 4 + K, A): centre x and y, width, height in input pixels, then K scores; one column for each cell"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.25


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """One output with a column for each cell of the feature levels."""
    for name, shape in outputs.items():
        if len(shape) == 3 and shape[0] == 1 and shape[1] > 4 and feature_strides(input_size, shape[2]):
            return AdapterMatch((name,), shape[1] - 4)
    return None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Transpose columns to rows, and turn centres into corners."""
    rows = arrays[0].transpose(0, 2, 1)
    return decoding.corners(rows), rows[..., 4:]


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    rows = ops.transpose(outputs[0], np.array([0, 2, 1]))
    boxes = decoding.corner_nodes((decoding.column(rows, index, ops) for index in range(4)), ops)
    return boxes, decoding.columns(rows, 4, 4 + layout.num_classes, ops)
