"""SSD of OpenVINO's Model Zoo and other networks that end in a DetectionOutput, such as person-detection-retail-0013.

Most of them count classes from 1, for 0 is the background; some (person-vehicle-bike-detection-2000) from 0. The rows
after the last object have the image number -1.

Reference: https://docs.openvino.ai, operation DetectionOutput-8.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = "(1, 1, N, 7): image number, class number, score, x1, y1, x2, y2 as fractions of the input's width and height"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("bgr")
FIRST_CLASS = 1
THRESHOLD = 0.5


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """The first output with seven columns."""
    for name, shape in outputs.items():
        if len(shape) == 4 and shape[:2] == (1, 1) and shape[3] == 7:
            return AdapterMatch((name,), None)
    return None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Scale fractions to pixels, give each row K scores, and none to rows after the last object."""
    found = arrays[0][0]
    end = np.flatnonzero(found[0, :, 0] < 0)
    scores = found[0, :, 2].copy()
    scores[end[0] if len(end) else len(scores) :] = 0
    return decoding.in_pixels(found[..., 3:], layout), decoding.class_scores(found[0, :, 1], scores, layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    found = ops.squeeze(outputs[0], np.array([0]))
    image, number, score = (decoding.column(found, index, ops) for index in range(3))
    boxes = decoding.in_pixels_nodes(decoding.columns(found, 3, 7, ops), layout, ops)
    # Zeros follow the row that ends the list: nothing there has a score.
    score = ops.select(ops.greater_equal(image, np.float32(0)), score, np.float32(0))
    return boxes, decoding.class_score_nodes(number, score, layout, ops)
