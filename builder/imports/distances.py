"""Boxes from distributions of distances, as NanoDet and PicoDet have them: for the reference and for the served graph.

Each cell has a point, and for each of the four sides 8 logits: the distance to that side is the mean of 0 to 7 strides,
weighted by their softmax.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding

BINS = 8
COLUMNS = 4 * BINS


def count_cells(input_size: tuple[int, int], strides: Sequence[int]) -> int:
    """Number of cells of feature levels; a cell that reaches beyond the input counts."""
    return sum(math.prod(_cells(input_size, stride)) for stride in strides)


def boxes(logits: np.ndarray, input_size: tuple[int, int], strides: Sequence[int], offset: float) -> np.ndarray:
    """Decode logits (1, A, 32) to xyxy (1, A, 4), input pixels; `offset` is that of the point in its cell."""
    powers = np.exp(logits.reshape(1, -1, 4, BINS) - logits.max())
    means = (powers * np.arange(BINS)).sum(3) / powers.sum(3)
    result, row = np.empty(means.shape, np.float32), 0
    for stride in strides:
        columns, rows = _cells(input_size, stride)
        for y in range(rows):
            for x in range(columns):
                left, top, right, bottom = means[0, row] * stride
                at_x, at_y = (x + offset) * stride, (y + offset) * stride
                result[0, row] = at_x - left, at_y - top, at_x + right, at_y + bottom
                row += 1
    return result


def box_nodes(logits: Any, input_size: tuple[int, int], strides: Sequence[int], offset: float, ops: Any) -> Any:
    """As `boxes`, as operations."""
    grids = []
    for stride in strides:
        columns, rows = _cells(input_size, stride)
        y, x = np.mgrid[:rows, :columns]
        grids.append(np.stack([(x.ravel() + offset) * stride, (y.ravel() + offset) * stride, np.full(x.size, stride)]))
    x, y, stride_of_row = np.concatenate(grids, 1).astype(np.float32).reshape(3, 1, -1, 1)
    sides = []
    for side, (at, direction) in enumerate(((x, ops.subtract), (y, ops.subtract), (x, ops.add), (y, ops.add))):
        shares = ops.softmax(decoding.columns(logits, side * BINS, (side + 1) * BINS, ops), 2)
        weighted = ops.multiply(shares, np.arange(BINS, dtype=np.float32).reshape(1, 1, BINS))
        mean = ops.reduce_sum(weighted, np.array([2]), True)
        sides.append(direction(ops.constant(at), ops.multiply(mean, stride_of_row)))
    return ops.concat(sides, 2)


def _cells(input_size: tuple[int, int], stride: int) -> tuple[int, int]:
    width, height = input_size
    return math.ceil(width / stride), math.ceil(height / stride)
