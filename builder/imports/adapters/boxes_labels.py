"""Networks of Intel's Geti and OpenVINO Training Extensions, and of the Model Zoo (person-detection-0301 …).

Reference: https://github.com/openvinotoolkit/open_model_zoo, `models/intel/person-detection-0301/README.md`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import rows_and_numbers

OUTPUTS = "boxes (N, 5) or (1, N, 5): x1, y1, x2, y2 in input pixels, score; labels (N) or (1, N): class numbers from 0"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("bgr")
FIRST_CLASS = 0
THRESHOLD = 0.5


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs with as many rows, of five columns and of one number."""
    names = rows_and_numbers(outputs)
    return AdapterMatch(names, None, usual=is_usual(outputs, names[0])) if names else None


def is_usual(outputs: Shapes, rows: str) -> bool:
    """Whether such networks call the output `rows` so, or, if its name says nothing, whether it has no batch."""
    return rows == "boxes" or (rows != "dets" and len(outputs[rows]) == 2)


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Give each row K scores, all but one of them 0."""
    rows, numbers = arrays[0].reshape(-1, 5), arrays[1].reshape(-1)
    return rows[None, :, :4], decoding.class_scores(numbers, np.maximum(rows[:, 4], 0), layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    rows = ops.reshape(outputs[0], np.array([1, -1, 5]), False)
    scores = ops.relu(decoding.column(rows, 4, ops))
    return decoding.columns(rows, 0, 4, ops), decoding.listed_nodes(outputs[1], scores, layout, ops)
