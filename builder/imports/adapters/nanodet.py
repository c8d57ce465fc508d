"""NanoDet and NanoDet-Plus.

Each side's distance from the cell's point is the mean of a distribution over 0 to 7 strides. NanoDet's three levels
have their points in the middle of cells, NanoDet-Plus' four levels at their corners.

Reference: https://github.com/RangiLyu/nanodet, `nanodet/model/head/nanodet_plus_head.py` and `gfl_head.py`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, distances
from builder.imports.feature_levels import count_cells
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = "(1, A, K + 32): K scores, then logits of the four distances, 8 for each; one row for each cell"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("bgr", (103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
FIRST_CLASS = 0
THRESHOLD = 0.35
_OFFSETS = {(8, 16, 32): 0.5, (8, 16, 32, 64): 0.0}


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """One output with a row for each cell, and more than 32 columns."""
    for name, shape in outputs.items():
        if len(shape) == 3 and shape[0] == 1 and shape[2] > distances.COLUMNS and _strides(input_size, shape[1]):
            return AdapterMatch((name,), shape[2] - distances.COLUMNS)
    return None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Turn distances into corners."""
    (rows,) = arrays
    strides = _strides(layout.input_size, rows.shape[1])
    boxes = distances.boxes(rows[..., layout.num_classes :], layout.input_size, strides, _OFFSETS[strides])
    return boxes, rows[..., : layout.num_classes]


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    (rows,) = outputs
    strides = _strides(layout.input_size, rows.get_partial_shape()[1].get_length())
    logits = decoding.columns(rows, layout.num_classes, layout.num_classes + distances.COLUMNS, ops)
    boxes = distances.box_nodes(logits, layout.input_size, strides, _OFFSETS[strides], ops)
    return boxes, decoding.columns(rows, 0, layout.num_classes, ops)


def _strides(input_size: tuple[int, int], rows: int) -> tuple[int, ...]:
    return next((strides for strides in _OFFSETS if count_cells(input_size, strides) == rows), ())
