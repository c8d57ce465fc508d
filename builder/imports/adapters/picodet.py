"""PicoDet of PaddleDetection, exported without postprocessing, and NanoDet with an output for each level.

Reference: https://github.com/PaddlePaddle/PaddleDetection, `ppdet/modeling/heads/pico_head.py`, `forward_eval`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import distances
from builder.imports.feature_levels import count_cells
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = (
    "for each level scores (1, A, K), and (1, A, 32): logits of the four distances, 8 for each; one row for each cell"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("rgb", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
FIRST_CLASS = 0
THRESHOLD = 0.4
_STRIDES = ((8, 16, 32, 64), (8, 16, 32))
_MIDDLE = 0.5


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs for each level; those of scores come first where they have 32 columns, too."""
    for strides in _STRIDES:
        if len(outputs) != 2 * len(strides):
            continue
        scores, logits = [], []
        for stride in strides:
            rows = count_cells(input_size, (stride,))
            level = [name for name, shape in outputs.items() if len(shape) == 3 and shape[:2] == (1, rows)]
            level.sort(key=lambda name: outputs[name][2] == distances.COLUMNS)
            if len(level) == 2 and outputs[level[1]][2] == distances.COLUMNS:
                scores.append(level[0])
                logits.append(level[1])
        columns = {outputs[name][2] for name in scores}
        if len(scores) == len(strides) and len(columns) == 1:
            return AdapterMatch((*scores, *logits), columns.pop())
    return None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Put the levels below each other, and turn distances into corners."""
    levels = len(arrays) // 2
    scores, logits = (np.concatenate(arrays[start : start + levels], 1) for start in (0, levels))
    return distances.boxes(logits, layout.input_size, _strides(levels), _MIDDLE), scores


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    levels = len(outputs) // 2
    scores, logits = (ops.concat(list(outputs[start : start + levels]), 1) for start in (0, levels))
    return distances.box_nodes(logits, layout.input_size, _strides(levels), _MIDDLE, ops), scores


def _strides(levels: int) -> tuple[int, ...]:
    return next(strides for strides in _STRIDES if len(strides) == levels)
