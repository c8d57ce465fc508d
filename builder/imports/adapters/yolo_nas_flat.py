"""YOLO-NAS and PP-YOLOE of SuperGradients, exported in its flat format.

Reference: https://github.com/Deci-AI/super-gradients, `documentation/source/models_export.md`. Such a network takes
uint8 and preprocesses by itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.adapters import yolov7_nms
from builder.imports.layout import AdapterMatch, Layout, Shapes

OUTPUTS = "(N, 7): image number, x1, y1, x2, y2 in input pixels, score, class number from 0"
GRAPHS = yolov7_nms.GRAPHS
PIXELS = yolov7_nms.PIXELS
FIRST_CLASS = 0
THRESHOLD = 0.25


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """The only output, with seven columns and as many rows as there are objects."""
    found = yolov7_nms.match(outputs, input_size)
    return AdapterMatch(found.names, None, usual="flat" in found.names[0]) if found else None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """The sixth column has scores, the seventh class numbers."""
    (found,) = arrays
    return values.first_reason(
        no_scores=not values.are_scores(found[:, 5]), no_class_numbers=not values.are_whole(found[:, 6])
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Give each row K scores, all but one of them 0."""
    (found,) = arrays
    return found[None, :, 1:5], decoding.class_scores(found[:, 6], found[:, 5], layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    found = ops.unsqueeze(outputs[0], np.int64(0))
    score, number = (decoding.column(found, index, ops) for index in (5, 6))
    return decoding.columns(found, 1, 5, ops), decoding.class_score_nodes(number, score, layout, ops)
