"""RT-DETR, RT-DETRv2, D-FINE and DEIM, exported by their own scripts with the input `orig_target_sizes`.

That input is bound to the size of the network's input, so that boxes are input pixels.

Reference: https://github.com/lyuwenyu/RT-DETR and https://github.com/Peterande/D-FINE,
`tools/deployment/export_onnx.py` and the postprocessor's `forward` in deploy mode.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import detection_list

OUTPUTS = "boxes (1, N, 4): x1, y1, x2, y2 in input pixels; scores (1, N); labels (1, N): class numbers from 0"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.4


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Three outputs with the rows of one image."""
    names = detection_list(outputs, 2) if len(outputs) == 3 else None
    return AdapterMatch(names, None) if names else None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Give each row K scores, all but one of them 0."""
    boxes, scores, numbers = arrays
    return boxes, decoding.class_scores(numbers[0], scores[0], layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    boxes, scores, numbers = outputs
    return boxes, decoding.listed_nodes(numbers, scores, layout, ops)
