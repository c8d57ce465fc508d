"""Networks of Intel's Geti and OpenVINO Training Extensions, and of the Model Zoo (person-detection-0301 …).

Reference: https://github.com/openvinotoolkit/open_model_zoo, `models/intel/person-detection-0301/README.md`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.adapters import mmdetection
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import rows_and_numbers

OUTPUTS = "boxes (N, 5): x1, y1, x2, y2 in input pixels, score; labels (N): class numbers from 0"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("bgr")
FIRST_CLASS = 0
THRESHOLD = 0.5


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs with as many rows, five columns and one number each."""
    names = rows_and_numbers(outputs, 1)
    return AdapterMatch(names, None) if names else None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Give each row K scores, all but one of them 0."""
    rows, numbers = arrays
    return rows[None, :, :4], decoding.class_scores(numbers, np.maximum(rows[:, 4], 0), layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    rows, numbers = outputs
    return mmdetection.graph((ops.unsqueeze(rows, np.int64(0)), numbers), layout, ops)
