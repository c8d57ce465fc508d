"""YOLOX, exported as its own script does: boxes are still relative to their cells.

Reference: https://github.com/Megvii-BaseDetection/YOLOX, `yolox/utils/demo_utils.py`, `demo_postprocess`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.feature_levels import cell_grid, feature_strides, level_size
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = (
    "(1, A, 5 + K): centre within the cell in strides, logarithms of width and height in strides, the score that there "
    "is an object, then K scores; one row for each cell"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("bgr")
FIRST_CLASS = 0
THRESHOLD = 0.3


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """One output with a row for each cell of the feature levels."""
    for name, shape in outputs.items():
        if len(shape) == 3 and shape[0] == 1 and shape[2] > 5 and feature_strides(input_size, shape[1]):
            return AdapterMatch((name,), shape[2] - 5)
    return None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Sides are logarithms."""
    return values.first_reason(sides_in_pixels=values.are_sides(arrays[0][..., :4]))


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Cell by cell, level by level, as the source does."""
    rows = arrays[0]
    boxes = np.empty((1, rows.shape[1], 4), np.float32)
    row = 0
    for stride in feature_strides(layout.input_size, rows.shape[1]) or ():
        columns_of_cells, rows_of_cells = level_size(layout.input_size, stride)
        for y in range(rows_of_cells):
            for x in range(columns_of_cells):
                centre = (rows[0, row, :2] + (x, y)) * stride
                half = np.exp(rows[0, row, 2:4]) * stride / 2
                boxes[0, row] = (*(centre - half), *(centre + half))
                row += 1
    return boxes, rows[..., 5:] * rows[..., 4:5]


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    (rows,) = outputs
    strides = feature_strides(layout.input_size, rows.get_shape()[1]) or ()
    x, y, stride = cell_grid(layout.input_size, strides).reshape(3, 1, -1, 1)
    centres = (ops.multiply(ops.add(decoding.column(rows, index, ops), at), stride) for index, at in enumerate((x, y)))
    sides = (ops.multiply(ops.exp(decoding.column(rows, index, ops)), stride) for index in (2, 3))
    boxes = decoding.corner_nodes([*centres, *sides], ops)
    scores = decoding.columns(rows, 5, 5 + layout.num_classes, ops)
    return boxes, ops.multiply(scores, decoding.column(rows, 4, ops))
