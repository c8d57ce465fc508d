"""EfficientDet of Google's AutoML, with its suppression.

Reference: https://github.com/google/automl, `efficientdet/tf2/postprocess.py`, `generate_detections`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import listed_rows

OUTPUTS = "(1, N, 7): image number, y1, x1, y2, x2 in input pixels, score, class number from 1"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("rgb", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
FIRST_CLASS = 1
THRESHOLD = 0.4


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """The only output, with seven columns."""
    return AdapterMatch((name,), None) if (name := listed_rows(outputs, input_size, 7)) else None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Boxes are pixels, and the last column has class numbers."""
    (found,) = arrays
    return values.first_reason(
        fractions=values.are_fractions(found[..., 1:5]), no_class_numbers=not values.are_whole(found[..., 6])
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Order yxyx as xyxy, and give each row K scores, all but one of them 0."""
    (found,) = arrays
    return found[..., [2, 1, 4, 3]], decoding.class_scores(found[0, :, 6], np.maximum(found[0, :, 5], 0), layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    (found,) = outputs
    boxes = ops.concat([decoding.column(found, index, ops) for index in (2, 1, 4, 3)], 2)
    score, number = (decoding.column(found, index, ops) for index in (5, 6))
    return boxes, decoding.class_score_nodes(number, ops.relu(score), layout, ops)
