"""RF-DETR, exported by its own script.

It has one or two columns more than classes. The last one is never returned, or the first one where class numbers begin
with 1, as those of COCO with its 91 columns do; if there are two, neither is.

Reference: https://github.com/roboflow/rf-detr, `rfdetr/deploy/export.py`, and `rfdetr/models/lwdetr.py`, PostProcess.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.adapters import detr
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import boxes_and_classes

OUTPUTS = (
    "dets (1, N, 4): centre x and y, width, height as fractions of the input; labels (1, N, K + 1 or K + 2): logits"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("rgb", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
FIRST_CLASS = 0
THRESHOLD = 0.5
_COCO_COLUMNS = 91
_NAMES = {"dets", "labels"}


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs of these shapes."""
    found = boxes_and_classes(outputs)
    if found is None:
        return None
    return AdapterMatch((found.boxes, found.classes), found.columns, unlabelled=2, usual=set(outputs) == _NAMES)


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Boxes are fractions, classes have logits, and columns without a label find nothing."""
    boxes, logits = arrays
    first = _first_column(logits.shape[2], layout)
    others = np.delete(logits, np.s_[first : first + layout.num_classes], 2)
    return detr.contradiction((logits, boxes), layout) or values.first_reason(
        objects_in_a_column_without_a_label=others.max(initial=0) > 0
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Turn centres into corners, fractions into pixels, and the logits of labelled classes into scores."""
    boxes, logits = arrays
    first = _first_column(logits.shape[2], layout)
    scores = decoding.sigmoid(logits[..., first : first + layout.num_classes])
    return decoding.in_pixels(decoding.corners(boxes), layout), scores


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    boxes, logits = outputs
    first = _first_column(logits.get_partial_shape()[2].get_length(), layout)
    columns = (decoding.column(boxes, index, ops) for index in range(4))
    scores = ops.sigmoid(decoding.columns(logits, first, first + layout.num_classes, ops))
    return decoding.corner_nodes(decoding.pixel_nodes(columns, layout, ops), ops), scores


def _first_column(columns: int, layout: Layout) -> int:
    spare = columns - layout.num_classes
    if spare == 1 and columns != _COCO_COLUMNS:
        return layout.first_class
    return min(spare, 1)
