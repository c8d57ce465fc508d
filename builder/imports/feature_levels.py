"""Feature levels of a network: grids of cells of 8, 16, 32 … pixels, with a prediction or more for each cell.

A cell that reaches beyond the input counts: a convolution with a stride of two rounds up.
"""

import math
from collections.abc import Sequence

import numpy as np

# Strides of the feature levels that nearly every YOLO has, and of those with one level more; and of tiny models and of
# those for small objects.
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_RARE_STRIDES = ((4, 8, 16, 32), (4, 8, 16), (16, 32))


def level_size(input_size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Columns and rows of cells."""
    width, height = input_size
    return math.ceil(width / stride), math.ceil(height / stride)


def count_cells(input_size: tuple[int, int], strides: Sequence[int]) -> int:
    """Number of cells of several levels."""
    return sum(math.prod(level_size(input_size, stride)) for stride in strides)


def feature_strides(
    input_size: tuple[int, int], rows: int, *, for_each_cell: int = 1, rare: bool = True
) -> tuple[int, ...] | None:
    """The strides of the levels whose cells make up `rows` predictions; None if no known ones do.

    Without `rare`, only those that nearly every YOLO has are known.

    >>> feature_strides((640, 640), 8400), feature_strides((640, 640), 25200, for_each_cell=3)
    ((8, 16, 32), (8, 16, 32))
    """
    known = (*_STRIDES, *_RARE_STRIDES) if rare else _STRIDES
    return next((strides for strides in known if rows == for_each_cell * count_cells(input_size, strides)), None)


def cell_grid(input_size: tuple[int, int], strides: Sequence[int]) -> np.ndarray:
    """Return float32 (3, A): column, row and stride of each cell, level by level."""
    grids = []
    for stride in strides:
        columns, rows = level_size(input_size, stride)
        y, x = np.mgrid[:rows, :columns]
        grids.append([x.ravel(), y.ravel(), np.full(x.size, stride)])
    return np.concatenate(grids, 1).astype(np.float32)
