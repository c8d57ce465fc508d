"""RT-DETR of Ultralytics.

Reference: https://github.com/ultralytics/ultralytics, `ultralytics/nn/modules/head.py`, class RTDETRDecoder.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import listed_rows

OUTPUTS = "(1, N, 4 + K): centre x and y, width, height as fractions of the input, then K scores"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.4
# As many boxes, of those that a network always lists, are not all where corners could be by chance.
ENOUGH_BOXES = 20
# Of the form with one score and a class number, whatever the number of classes.
_COLUMNS_OF_TOPK = 6


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """The only output, with a row for each query."""
    name = listed_rows(outputs, input_size)
    return AdapterMatch((name,), outputs[name][2] - 4) if name else None


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Boxes are centres and sides as fractions, and no column has class numbers in place of scores."""
    (found,) = arrays
    return values.first_reason(
        pixels=values.are_pixels(found[..., :4]),
        corners=values.are_corners(found[..., :4], least=ENOUGH_BOXES),
        class_numbers=found.shape[2] == _COLUMNS_OF_TOPK and values.are_whole(found[..., 5]),
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Turn centres into corners, and fractions into pixels."""
    (found,) = arrays
    return decoding.in_pixels(decoding.corners(found), layout), found[..., 4:]


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    (found,) = outputs
    columns = (decoding.column(found, index, ops) for index in range(4))
    boxes = decoding.corner_nodes(decoding.pixel_nodes(columns, layout, ops), ops)
    return boxes, decoding.columns(found, 4, 4 + layout.num_classes, ops)
