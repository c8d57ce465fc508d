"""SSD with a first column for the background, such as pytorch-ssd and Ultra-Light-Fast-Generic-Face-Detector.

Reference: https://github.com/qfgaohao/pytorch-ssd, `vision/ssd/ssd.py` and `vision/ssd/config`;
https://github.com/Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB, `detect_imgs_onnx.py`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import boxes_and_classes

OUTPUTS = (
    "boxes (1, N, 4): x1, y1, x2, y2 as fractions of the input; scores (1, N, 1 + K): in [0, 1], the background first"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(mean=(127.0, 127.0, 127.0), scale=(128.0, 128.0, 128.0))
FIRST_CLASS = 0
THRESHOLD = 0.5


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs, one with a column more than there are classes."""
    found = boxes_and_classes(outputs)
    return AdapterMatch((found.boxes, found.classes), found.columns - 1) if found and found.columns > 1 else None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Boxes are corners as fractions, and most rows have nothing but background."""
    boxes, scores = arrays
    return values.first_reason(
        pixels=values.are_pixels(boxes),
        no_corners=values.are_no_corners(boxes),
        no_scores=not values.are_scores(scores),
        no_background_in_the_first_column=scores[..., 0].mean() < scores[..., 1:].mean(),
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Turn fractions into pixels, and leave the background out."""
    boxes, scores = arrays
    return decoding.in_pixels(boxes, layout), scores[..., 1:]


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    boxes, scores = outputs
    return decoding.in_pixels_nodes(boxes, layout, ops), decoding.columns(scores, 1, 1 + layout.num_classes, ops)
