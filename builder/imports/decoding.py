"""Arithmetic on boxes and scores that adapters share: in NumPy for the reference, as operations for the served graph.

`ops` is a module of OpenVINO's operations. Factors are scalars and apply to one coordinate: a factor for all four at
once makes INT8 graphs that OpenVINO cannot compile.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from builder.imports.errors import UnknownClassError
from builder.imports.layout import Layout


def class_scores(numbers: np.ndarray, scores: np.ndarray, layout: Layout) -> np.ndarray:
    """Turn a class number (N,) and a score (N,) of each row into scores (1, N, K).

    Raises:
        UnknownClassError: A row with a score has a number without a label.
    """
    class_ids = np.rint(numbers).astype(int) - layout.first_class
    result = np.zeros((1, len(scores), layout.num_classes), np.float32)
    known = (class_ids >= 0) & (class_ids < layout.num_classes)
    strange = numbers[~known & (scores > 0)]
    if len(strange):
        last = layout.first_class + layout.num_classes - 1
        raise UnknownClassError(
            f"the network returns class {strange[0]:g}; expected {layout.first_class} to {last}, "
            f"the numbers of the {layout.num_classes} labels"
        )
    result[0, np.flatnonzero(known), class_ids[known]] = scores[known]
    return result


def corners(boxes: np.ndarray) -> np.ndarray:
    """Turn centre x, centre y, width and height (..., 4) into xyxy."""
    centre, half = boxes[..., :2], boxes[..., 2:4] / 2
    return np.concatenate([centre - half, centre + half], -1)


def in_pixels(boxes: np.ndarray, layout: Layout) -> np.ndarray:
    """Turn fractions of the input's width and height (..., 4) into input pixels."""
    width, height = layout.input_size
    return boxes * np.array([width, height, width, height], np.float32)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Turn logits into scores; no overflow for large ones."""
    return 0.5 * (1 + np.tanh(logits / 2))


def before(scores: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return the scores (N,) of the first `count` rows, and 0 for those after them."""
    return np.where(np.arange(len(scores)) < int(count.reshape(-1)[0]), scores, 0)


def before_nodes(scores: Any, count: Any, ops: Any) -> Any:
    """As `before`, for scores (1, N)."""
    rows = np.arange(scores.get_partial_shape()[1].get_length(), dtype=np.float32)
    return ops.select(ops.less(rows[None], ops.reshape(count, np.array([1, 1]), False)), scores, np.float32(0))


def column(rows: Any, index: int, ops: Any) -> Any:
    """Return column `index` of (1, N, C) as (1, N, 1)."""
    return columns(rows, index, index + 1, ops)


def columns(rows: Any, start: int, stop: int, ops: Any) -> Any:
    """Return columns `start` to `stop` (exclusive) of (1, N, C)."""
    bounds = (np.array([value], np.int64) for value in (start, stop, 1, 2))
    return ops.slice(rows, *bounds)


def scaled(node: Any, factor: float, ops: Any) -> Any:
    """Multiply a node by a number."""
    return ops.multiply(node, np.float32(factor))


def corner_nodes(columns: Iterable[Any], ops: Any) -> Any:
    """Turn the columns centre x, centre y, width and height into boxes (1, N, 4), xyxy."""
    centre_x, centre_y, width, height = columns
    half_width, half_height = scaled(width, 0.5, ops), scaled(height, 0.5, ops)
    ends = (ops.subtract, ops.add)
    sides = [end(*pair) for end in ends for pair in ((centre_x, half_width), (centre_y, half_height))]
    return ops.concat(sides, 2)


def pixel_nodes(sides: Iterable[Any], layout: Layout, ops: Any) -> list[Any]:
    """Turn columns of fractions into input pixels: widths and heights by turns."""
    return [scaled(side, layout.input_size[index % 2], ops) for index, side in enumerate(sides)]


def in_pixels_nodes(boxes: Any, layout: Layout, ops: Any) -> Any:
    """As `in_pixels`, for boxes (1, N, 4)."""
    return ops.concat(pixel_nodes((column(boxes, index, ops) for index in range(4)), layout, ops), 2)


def listed_nodes(numbers: Any, scores: Any, layout: Layout, ops: Any) -> Any:
    """As `class_score_nodes`, for numbers and scores of N rows in any shape."""
    shape = np.array([1, -1, 1])
    numbers, scores = (ops.reshape(node, shape, False) for node in (numbers, scores))
    return class_score_nodes(numbers, scores, layout, ops)


def class_score_nodes(numbers: Any, scores: Any, layout: Layout, ops: Any) -> Any:
    """Turn a class number and a score of each row, both (1, N, 1), into scores (1, N, K)."""
    wanted = np.arange(layout.num_classes, dtype=np.float32).reshape(1, 1, -1) + np.float32(layout.first_class)
    return ops.select(ops.equal(ops.round(numbers, "half_to_even"), wanted), scores, np.float32(0))
