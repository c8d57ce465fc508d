"""Segmentation networks of Ultralytics that suppress by themselves: YOLO26-seg, and others exported with `nms=True`.

Reference: https://docs.ultralytics.com/modes/export/; the head is `ultralytics/nn/modules/head.py`, class Segment.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, prototypes
from builder.imports.adapters import yolov10
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from runtime.manifest import MaskHead, MaskKind

OUTPUTS = (
    "(1, N, 6 + C): x1, y1, x2, y2 in input pixels, score, class number from 0, C coefficients; (1, C, H / 4, W / 4): "
    "prototypes"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.25
MASK_HEAD = MaskHead(MaskKind.PROTOTYPES)
_COLUMNS = 6


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Rows of six numbers and the coefficients, and prototypes."""
    found = prototypes.rows_and_prototypes(outputs, input_size)
    if found is None or outputs[found.rows][2] != _COLUMNS + found.channels:
        return None
    return AdapterMatch((found.rows, found.prototypes), None)


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """As those of YOLOv10, without the coefficients."""
    return yolov10.decode([arrays[0][..., :_COLUMNS]], layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    return yolov10.graph([decoding.columns(outputs[0], 0, _COLUMNS, ops)], layout, ops)


def decode_masks(arrays: Sequence[np.ndarray], layout: Layout) -> dict[str, np.ndarray]:
    """Coefficients of each row, and prototypes with their channels last."""
    return prototypes.contract(arrays[0][..., _COLUMNS:], arrays[1])


def graph_masks(outputs: Sequence[Any], layout: Layout, ops: Any) -> dict[str, Any]:
    """As `decode_masks`, as operations."""
    last = _COLUMNS + prototypes.channels(outputs[1])
    return prototypes.contract_nodes(decoding.columns(outputs[0], _COLUMNS, last, ops), outputs[1], ops)
