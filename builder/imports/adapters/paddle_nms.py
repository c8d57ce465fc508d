"""Networks of PaddleDetection with their suppression: PP-YOLOE, PicoDet, PP-YOLO, RT-DETR.

Their other inputs are bound: `scale_factor` to 1 and `im_shape` to the size of the network's input, so that boxes are
input pixels.

Reference: https://github.com/PaddlePaddle/PaddleDetection, `deploy/EXPORT_ONNX_MODEL_en.md`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = "(N, 6): class number from 0, score, x1, y1, x2, y2 in input pixels; and the number of rows (1)"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.5


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """One output with six columns, and at most the number of its rows."""
    rows = [name for name, shape in outputs.items() if len(shape) == 2 and shape[1] == 6]
    others = [shape for name, shape in outputs.items() if name not in rows]
    return AdapterMatch((rows[0],), None) if len(rows) == 1 and all(len(shape) < 2 for shape in others) else None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """The first column has class numbers, and -1 in a row without an object; the second scores."""
    (found,) = arrays
    return values.first_reason(
        no_class_numbers=not values.are_whole(found[:, 0]),
        no_scores=not values.are_scores(np.maximum(found[:, 1], 0)),
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Give each row K scores, all but one of them 0, and none to a row without an object."""
    (found,) = arrays
    return found[None, :, 2:], decoding.class_scores(found[:, 0], np.maximum(found[:, 1], 0), layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    found = ops.unsqueeze(outputs[0], np.int64(0))
    number, score = (decoding.column(found, index, ops) for index in (0, 1))
    scores = decoding.class_score_nodes(number, ops.relu(score), layout, ops)
    return decoding.columns(found, 2, 6, ops), scores
