"""YOLOv10 and YOLO26, which need no suppression, and what Ultralytics exports with `nms=True`.

Reference: https://docs.ultralytics.com/models/yolov10/; `ultralytics/nn/modules/head.py`, `Detect.postprocess`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import listed_rows

OUTPUTS = "(1, N, 6): x1, y1, x2, y2 in input pixels, score, class number from 0"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.25


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """The only output, with six columns."""
    return AdapterMatch((name,), None) if (name := listed_rows(outputs, input_size, 6)) else None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Boxes are pixels, and the last column has class numbers."""
    (found,) = arrays
    return values.first_reason(
        fractions=values.are_fractions(found[..., :4]), no_class_numbers=not values.are_whole(found[..., 5])
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Give each row K scores, all but one of them 0."""
    (found,) = arrays
    return found[..., :4], decoding.class_scores(found[0, :, 5], found[0, :, 4], layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    (found,) = outputs
    score, number = (decoding.column(found, index, ops) for index in (4, 5))
    return decoding.columns(found, 0, 4, ops), decoding.class_score_nodes(number, score, layout, ops)
