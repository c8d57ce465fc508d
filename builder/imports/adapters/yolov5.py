"""YOLOv5 and YOLOv7, exported without suppression.

Reference: https://github.com/ultralytics/yolov5, `models/yolo.py`, class Detect, and `utils/general.py`,
`non_max_suppression`: the score of a class is its own times that of the box.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.feature_levels import feature_strides
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = (
    "(1, A, 5 + K): centre x and y, width, height in input pixels, the score that there is an object, then K scores; "
    "three rows for each cell"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.25
_ANCHORS_OF_A_CELL = 3


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """One output with three rows for each cell of the feature levels; raw feature levels beside it are ignored."""
    for name, shape in outputs.items():
        rows_of_cells = len(shape) == 3 and feature_strides(input_size, shape[1], for_each_cell=_ANCHORS_OF_A_CELL)
        if rows_of_cells and shape[0] == 1 and shape[2] > 5:
            return AdapterMatch((name,), shape[2] - 5)
    return None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """The first four columns are no corners, as a list of detections has that happens to be as long."""
    return values.first_reason(corners=values.are_corners(arrays[0][..., :4]))


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Turn centres into corners, and multiply the score of a class by that of the object."""
    rows = arrays[0]
    return decoding.corners(rows), rows[..., 5:] * rows[..., 4:5]


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    (rows,) = outputs
    boxes = decoding.corner_nodes((decoding.column(rows, index, ops) for index in range(4)), ops)
    scores = decoding.columns(rows, 5, 5 + layout.num_classes, ops)
    return boxes, ops.multiply(scores, decoding.column(rows, 4, ops))
