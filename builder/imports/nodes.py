"""Arithmetic on boxes as operations of a graph, shared by the adapters.

`ops` is a module of OpenVINO's operations. Every factor is a scalar of one coordinate: a factor for all four at
once makes INT8 graphs that OpenVINO cannot compile.
"""

from typing import Any

import numpy as np


def column(rows: Any, index: int, ops: Any) -> Any:
    """Column `index` of (1, N, C) as (1, N, 1)."""
    return columns(rows, index, index + 1, ops)


def columns(rows: Any, start: int, stop: int, ops: Any) -> Any:
    """Columns `start` to `stop` (exclusive) of (1, N, C)."""
    bounds = (np.array([value], np.int64) for value in (start, stop, 1, 2))
    return ops.slice(rows, *bounds)


def scaled(node: Any, factor: float, ops: Any) -> Any:
    """A node times a number."""
    return ops.multiply(node, np.float32(factor))


def corners(centre_x: Any, centre_y: Any, width: Any, height: Any, ops: Any) -> Any:
    """Boxes (1, N, 4), xyxy, from four columns."""
    half_width, half_height = scaled(width, 0.5, ops), scaled(height, 0.5, ops)
    ends = (ops.subtract, ops.add)
    sides = [end(*pair) for end in ends for pair in ((centre_x, half_width), (centre_y, half_height))]
    return ops.concat(sides, 2)


def spread(numbers: Any, scores: Any, first_class: int, num_classes: int, ops: Any) -> Any:
    """Scores (1, N, K) from one class number and one score for each row, both (1, N, 1)."""
    wanted = np.arange(first_class, first_class + num_classes, dtype=np.float32).reshape(1, 1, -1)
    return ops.select(ops.equal(ops.round(numbers, "half_to_even"), wanted), scores, np.float32(0))
