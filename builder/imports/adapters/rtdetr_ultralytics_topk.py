"""RT-DETR of Ultralytics, exported with the choice of the best rows (`end2end`).

Reference: https://github.com/ultralytics/inference, issue 494.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.adapters import rtdetr_ultralytics, yolov10
from builder.imports.layout import Layout

OUTPUTS = "(1, N, 6): centre x and y, width, height as fractions of the input, score, class number from 0"
GRAPHS = rtdetr_ultralytics.GRAPHS
PIXELS = rtdetr_ultralytics.PIXELS
FIRST_CLASS = 0
THRESHOLD = rtdetr_ultralytics.THRESHOLD

match = yolov10.match


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Boxes are centres and sides as fractions, and the last column has class numbers."""
    (found,) = arrays
    return values.first_reason(
        pixels=values.are_pixels(found[..., :4]),
        corners=values.are_corners(found[..., :4], least=rtdetr_ultralytics.ENOUGH_BOXES),
        no_class_numbers=not values.are_whole(found[..., 5]),
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Turn centres into corners and fractions into pixels, and give each row K scores, all but one of them 0."""
    (found,) = arrays
    scores = decoding.class_scores(found[0, :, 5], found[0, :, 4], layout)
    return decoding.in_pixels(decoding.corners(found), layout), scores


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    (found,) = outputs
    columns = [decoding.column(found, index, ops) for index in range(6)]
    boxes = decoding.corner_nodes(decoding.pixel_nodes(columns[:4], layout, ops), ops)
    return boxes, decoding.class_score_nodes(columns[5], columns[4], layout, ops)
