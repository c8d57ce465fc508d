"""Networks of MMDetection, MMYOLO and MMDeploy, which suppress by themselves.

The usual normalisation is that of MMDetection's models of PyTorch; others want `--channels`, `--mean`, `--scale`.

Reference: https://github.com/open-mmlab/mmdeploy, `docs/en/04-supported-codebases/mmdet.md`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import rows_and_numbers

OUTPUTS = "dets (1, N, 5): x1, y1, x2, y2 in input pixels, score; labels (1, N): class numbers from 0"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("rgb", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
FIRST_CLASS = 0
THRESHOLD = 0.3


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs with the rows of one image, five columns and one number each."""
    names = rows_and_numbers(outputs, 2)
    return AdapterMatch(names, None) if names else None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Give each row K scores, all but one of them 0."""
    rows, numbers = arrays
    return rows[..., :4], decoding.class_scores(numbers[0], np.maximum(rows[0, :, 4], 0), layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    rows, numbers = outputs
    scores = ops.relu(decoding.column(rows, 4, ops))
    return decoding.columns(rows, 0, 4, ops), decoding.listed_nodes(numbers, scores, layout, ops)
