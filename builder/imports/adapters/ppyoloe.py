"""PP-YOLOE and other networks of PaddleDetection, exported without suppression (`exclude_nms`, `exclude_post_process`).

PP-YOLOE+ takes 0 to 1; PP-YOLOE without the plus and PicoDet want `--mean` and `--scale`.

Reference: https://github.com/PaddlePaddle/PaddleDetection, `ppdet/modeling/heads/ppyoloe_head.py`, `post_process`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.feature_levels import feature_strides
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = (
    "(1, A, 4): x1, y1, x2, y2 in input pixels, and (1, K, A): scores; or both in one (1, A, 4 + K); one row for each "
    "cell"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.5


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Boxes with a row for each cell, and scores with a column for each; or both in one output."""
    boxes = [
        name
        for name, shape in outputs.items()
        if len(shape) == 3 and shape[2] >= 4 and feature_strides(input_size, shape[1])
    ]
    if len(outputs) == 1 and len(boxes) == 1 and outputs[boxes[0]][2] > 4:
        return AdapterMatch((boxes[0],), outputs[boxes[0]][2] - 4)
    if len(outputs) == 2 and len(boxes) == 1 and outputs[boxes[0]][2] == 4:
        (scores,) = (name for name in outputs if name != boxes[0])
        shape = outputs[scores]
        if len(shape) == 3 and shape[2] == outputs[boxes[0]][1]:
            return AdapterMatch((boxes[0], scores), shape[1])
    return None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Boxes are corners in pixels."""
    boxes = arrays[0][..., :4]
    return values.first_reason(fractions=values.are_fractions(boxes), no_corners=values.are_no_corners(boxes))


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes as they are, and the scores in rows."""
    if len(arrays) == 1:
        return arrays[0][..., :4], arrays[0][..., 4:]
    boxes, scores = arrays
    return boxes, scores.transpose(0, 2, 1)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    if len(outputs) == 1:
        rows = outputs[0]
        return decoding.columns(rows, 0, 4, ops), decoding.columns(rows, 4, 4 + layout.num_classes, ops)
    boxes, scores = outputs
    return boxes, ops.transpose(scores, np.array([0, 2, 1]))
