"""Networks that have the engine contract already (docs/architecture.md), so that nothing has to be decoded."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = "boxes (1, N, 4): xyxy in input pixels; scores (1, N, K): in [0, 1]"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing()
FIRST_CLASS = 0
THRESHOLD = 0.3


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs of these names and shapes."""
    boxes, scores = (outputs.get(name, ()) for name in ("boxes", "scores"))
    if len(boxes) == len(scores) == 3 and boxes[0] == scores[0] == 1 and boxes[1] == scores[1] and boxes[2] == 4:
        return AdapterMatch(("boxes", "scores"), scores[2])
    return None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Return both unchanged."""
    boxes, scores = arrays
    return boxes, scores


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """Return both unchanged."""
    boxes, scores = outputs
    return boxes, scores
