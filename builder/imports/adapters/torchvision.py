"""SSD, RetinaNet, FCOS and Faster R-CNN of torchvision, which suppress by themselves and normalise inside.

Reference: https://github.com/pytorch/vision, `torchvision/models/detection`: class 0 is the background.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import detection_list

OUTPUTS = "boxes (N, 4): x1, y1, x2, y2 in input pixels; scores (N); labels (N): class numbers from 1"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 1
THRESHOLD = 0.5


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Three outputs with as many rows as there are objects."""
    names = detection_list(outputs, 1) if len(outputs) == 3 else None
    return AdapterMatch(names, None) if names else None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Give each row K scores, all but one of them 0."""
    boxes, scores, numbers = arrays
    return boxes[None], decoding.class_scores(numbers, scores, layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    boxes, scores, numbers = outputs
    return ops.unsqueeze(boxes, np.int64(0)), decoding.listed_nodes(numbers, scores, layout, ops)
