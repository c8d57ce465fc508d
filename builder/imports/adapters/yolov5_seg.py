"""YOLOv5-seg, exported without suppression.

Reference: https://github.com/ultralytics/yolov5, `models/yolo.py`, class Segment.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, prototypes
from builder.imports.adapters import yolov5
from builder.imports.feature_levels import feature_strides
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from runtime.manifest import MaskHead, MaskKind

OUTPUTS = (
    "(1, A, 5 + K + C): centre x and y, width, height in input pixels, the score that there is an object, then K "
    "scores and C coefficients; (1, C, H / 4, W / 4): prototypes"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.25
MASK_HEAD = MaskHead(MaskKind.PROTOTYPES)


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Three rows for each cell of the feature levels, and prototypes."""
    found = prototypes.rows_and_prototypes(outputs, input_size)
    if found is None or not feature_strides(input_size, outputs[found.rows][1], for_each_cell=3):
        return None
    classes = outputs[found.rows][2] - 5 - found.channels
    return AdapterMatch((found.rows, found.prototypes), classes) if classes > 0 else None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """As those of YOLOv5, without the coefficients."""
    return yolov5.decode([arrays[0][..., : 5 + layout.num_classes]], layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    return yolov5.graph(outputs[:1], layout, ops)


def decode_masks(arrays: Sequence[np.ndarray], layout: Layout) -> dict[str, np.ndarray]:
    """Coefficients of each row, and prototypes with their channels last."""
    rows, maps = arrays
    return prototypes.contract(rows[..., 5 + layout.num_classes :], maps)


def graph_masks(outputs: Sequence[Any], layout: Layout, ops: Any) -> dict[str, Any]:
    """As `decode_masks`, as operations."""
    first = 5 + layout.num_classes
    coefficients = decoding.columns(outputs[0], first, first + prototypes.channels(outputs[1]), ops)
    return prototypes.contract_nodes(coefficients, outputs[1], ops)
