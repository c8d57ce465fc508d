"""FastestDet: one cell in sixteen pixels, one box for each cell.

Reference: https://github.com/dog-qiuqiu/FastestDet, `utils/tool.py`, `handle_preds`: the score is that of an object
to the power of 0.6 times that of the class to the power of 0.4; centres move by a tanh, sides are a sigmoid.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

OUTPUTS = (
    "(1, 5 + K, H / 16, W / 16): the score that there is an object, two offsets of the centre, two logits of the "
    "sides, then K scores"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("bgr", scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.65
_STRIDE = 16
_OBJECT_POWER, _CLASS_POWER = 0.6, 0.4


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """One map with a cell for each sixteen pixels."""
    width, height = input_size
    for name, shape in outputs.items():
        if len(shape) == 4 and shape[1] > 5 and shape[2:] == (height // _STRIDE, width // _STRIDE):
            return AdapterMatch((name,), shape[1] - 5)
    return None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Cell by cell, as the source does."""
    ((found,),) = arrays
    _, rows, columns = found.shape
    width, height = layout.input_size
    boxes = np.empty((1, rows * columns, 4), np.float32)
    for y in range(rows):
        for x in range(columns):
            centre_x = (x + np.tanh(found[1, y, x])) / columns * width
            centre_y = (y + np.tanh(found[2, y, x])) / rows * height
            half_width, half_height = (
                side / (1 + np.exp(-logit)) / 2 for side, logit in ((width, found[3, y, x]), (height, found[4, y, x]))
            )
            boxes[0, y * columns + x] = (
                *(centre_x - half_width, centre_y - half_height),
                *(centre_x + half_width, centre_y + half_height),
            )
    scores = found[:1] ** _OBJECT_POWER * found[5:] ** _CLASS_POWER
    return boxes, scores.reshape(1, layout.num_classes, -1).transpose(0, 2, 1)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    (found,) = outputs
    _, channels, rows, columns = found.get_shape()
    width, height = layout.input_size
    cells = ops.transpose(ops.reshape(found, np.array([1, channels, rows * columns]), False), np.array([0, 2, 1]))
    y, x = (grid.reshape(1, -1, 1).astype(np.float32) for grid in np.mgrid[:rows, :columns])
    centres = (
        decoding.scaled(ops.add(ops.tanh(decoding.column(cells, index, ops)), at), step, ops)
        for index, at, step in ((1, x, width / columns), (2, y, height / rows))
    )
    sides = (
        decoding.scaled(ops.sigmoid(decoding.column(cells, index, ops)), side, ops)
        for index, side in ((3, width), (4, height))
    )
    boxes = decoding.corner_nodes([*centres, *sides], ops)
    objects = ops.power(decoding.column(cells, 0, ops), np.float32(_OBJECT_POWER))
    classes = ops.power(decoding.columns(cells, 5, 5 + layout.num_classes, ops), np.float32(_CLASS_POWER))
    return boxes, ops.multiply(objects, classes)
