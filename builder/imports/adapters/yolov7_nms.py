"""YOLOv7 exported with its suppression (`--end2end --max-wh`), as CVAT's own serverless function uses it.

Reference: https://github.com/WongKinYiu/yolov7, `models/experimental.py`, class ONNX_ORT.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = "(N, 7): image number, x1, y1, x2, y2 in input pixels, class number from 0, score"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.25


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """The only output, with seven columns and as many rows as there are objects."""
    if len(outputs) == 1:
        ((name, shape),) = outputs.items()
        if len(shape) == 2 and shape[1] == 7:
            return AdapterMatch((name,), None, usual="flat" not in name)
    return None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """The sixth column has class numbers, the seventh scores."""
    (found,) = arrays
    return values.first_reason(
        no_class_numbers=not values.are_whole(found[:, 5]), no_scores=not values.are_scores(found[:, 6])
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Give each row K scores, all but one of them 0."""
    (found,) = arrays
    return found[None, :, 1:5], decoding.class_scores(found[:, 5], found[:, 6], layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    found = ops.unsqueeze(outputs[0], np.int64(0))
    number, score = (decoding.column(found, index, ops) for index in (5, 6))
    return decoding.columns(found, 1, 5, ops), decoding.class_score_nodes(number, score, layout, ops)
