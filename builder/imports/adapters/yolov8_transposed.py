"""YOLOv8 and its relatives with rows and columns swapped, as exports for other devices and converters leave them.

Reference: https://github.com/ultralytics/ultralytics, `ultralytics/nn/modules/head.py`, class Detect.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.adapters import yolov8
from builder.imports.feature_levels import feature_strides
from builder.imports.layout import AdapterMatch, Layout, Shapes

OUTPUTS = "(1, A, 4 + K): centre x and y, width, height in input pixels, then K scores; one row for each cell"
GRAPHS = yolov8.GRAPHS
PIXELS = yolov8.PIXELS
FIRST_CLASS = 0
THRESHOLD = yolov8.THRESHOLD


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """One output with a row for each cell of the feature levels."""
    for name, shape in outputs.items():
        if len(shape) == 3 and shape[0] == 1 and shape[2] > 4 and feature_strides(input_size, shape[1]):
            return AdapterMatch((name,), shape[2] - 4)
    return None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """The first four columns are centres and sides in pixels, and no corners."""
    boxes = arrays[0][..., :4]
    return values.first_reason(no_pixels=not values.are_sides(boxes), corners=values.are_corners(boxes))


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Turn centres into corners."""
    (rows,) = arrays
    return decoding.corners(rows), rows[..., 4:]


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    (rows,) = outputs
    boxes = decoding.corner_nodes((decoding.column(rows, index, ops) for index in range(4)), ops)
    return boxes, decoding.columns(rows, 4, 4 + layout.num_classes, ops)
