"""Boxes from distributions of distances, as NanoDet and PicoDet have them: for the reference and for the served graph.

Each cell has a point, and for each of the four sides 8 logits: the distance to that side is the mean of 0 to 7 strides,
weighted by their softmax.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.feature_levels import cell_grid, level_size

BINS = 8
COLUMNS = 4 * BINS


def boxes(logits: np.ndarray, input_size: tuple[int, int], strides: Sequence[int], offset: float) -> np.ndarray:
    """Decode logits (1, A, 32) to xyxy (1, A, 4), input pixels; `offset` is that of the point in its cell."""
    logits = logits.reshape(1, -1, 4, BINS)
    powers = np.exp(logits - logits.max(3, keepdims=True))
    means = (powers * np.arange(BINS)).sum(3) / powers.sum(3)
    result, row = np.empty(means.shape, np.float32), 0
    for stride in strides:
        columns, rows = level_size(input_size, stride)
        for y in range(rows):
            for x in range(columns):
                left, top, right, bottom = means[0, row] * stride
                at_x, at_y = (x + offset) * stride, (y + offset) * stride
                result[0, row] = at_x - left, at_y - top, at_x + right, at_y + bottom
                row += 1
    return result


def box_nodes(logits: Any, input_size: tuple[int, int], strides: Sequence[int], offset: float, ops: Any) -> Any:
    """As `boxes`, as operations."""
    columns, rows, stride_of_row = cell_grid(input_size, strides).reshape(3, 1, -1, 1)
    x, y = ((index + np.float32(offset)) * stride_of_row for index in (columns, rows))
    sides = []
    for side, (at, direction) in enumerate(((x, ops.subtract), (y, ops.subtract), (x, ops.add), (y, ops.add))):
        shares = ops.softmax(decoding.columns(logits, side * BINS, (side + 1) * BINS, ops), 2)
        weighted = ops.multiply(shares, np.arange(BINS, dtype=np.float32).reshape(1, 1, BINS))
        mean = ops.reduce_sum(weighted, np.array([2]), True)
        sides.append(direction(ops.constant(at), ops.multiply(mean, stride_of_row)))
    return ops.concat(sides, 2)
