"""ONNX networks that need no training: each finds red and blue squares and answers in the layout of one adapter.

The core is that of `tests/builder/squares.py`: a convolution as large as a cell, whose outputs are the scores of the
two colours in it. What follows only arranges scores and boxes as the networks of that layout do.
"""

import math
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIZES = {"fastestdet": (128, 96)}
SIZE = (64, 48)
# A cell of the grid on which the squares lie, as part of the input's width.
CELLS = (8, 6)
COUNT = CELLS[0] * CELLS[1]
# Rows that a YOLO has at this size: cells of 8, 16 and 32 pixels.
LEVELS = 48 + 12 + 2
OBJECTNESS = 0.9


class Network:
    """Nodes of a graph while it is written down."""

    def __init__(self, adapter: str, scale: float, order: str) -> None:
        self.nodes, self.constants = [], []
        self.width, self.height = SIZES.get(adapter, SIZE)
        self.side = self.width // CELLS[0]
        self.scale, self.order = scale, order

    def constant(self, values, dtype=np.float32):
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, kind, *inputs, **attributes):
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def scores(self, pixels):
        """(1, cells, 2): of red and of blue."""
        kernel = np.zeros((2, 3, self.side, self.side), np.float32)
        kernel[0], kernel[1] = np.reshape([[0.7, -0.35, -0.35], [-0.35, -0.35, 0.7]], (2, 3, 1, 1))
        if self.order == "bgr":
            kernel = kernel[:, ::-1]
        weights = self.constant(kernel / self.side**2 * 8 / 255 * 5 * self.scale)
        logits = self.add("Conv", pixels, weights, self.constant([-8, -8]), strides=[self.side, self.side])
        maps = self.add("Sigmoid", logits)
        flat = self.add("Reshape", maps, self.constant([1, 2, COUNT], np.int64))
        return self.add("Transpose", flat, perm=[0, 2, 1])

    def corners(self):
        """float32 (cells, 4): xyxy, input pixels."""
        y, x = (grid.ravel() * self.side for grid in np.mgrid[: CELLS[1], : CELLS[0]])
        return np.stack([x, y, x + self.side, y + self.side], 1).astype(np.float32)

    def beside(self, *columns, axis=2):
        return self.add("Concat", *columns, axis=axis)

    def padded(self, rows, count, columns):
        """Rows of nothing behind those of the cells."""
        return self.beside(rows, self.constant(np.zeros((1, count - COUNT, columns))), axis=1)


def boxes_scores(net, pixels):
    planes = net.add("Transpose", net.add("Cast", pixels, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    return {"boxes": net.constant(net.corners()[None]), "scores": net.scores(planes)}


def _centres(net):
    x1, y1, x2, y2 = net.corners().T
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], 1)[None]


def yolov8(net, pixels):
    rows = net.padded(net.beside(net.constant(_centres(net)), net.scores(pixels)), LEVELS, 6)
    return {"output0": net.add("Transpose", rows, perm=[0, 2, 1])}


def yolov5(net, pixels):
    objects = np.full((1, COUNT, 1), OBJECTNESS)
    rows = net.beside(net.constant(np.concatenate([_centres(net), objects], 2)), net.scores(pixels))
    return {"output0": net.padded(rows, 3 * LEVELS, 7)}


def yolox(net, pixels):
    """Every square lies in the middle of its cell and is as large as one: offset a half, logarithm 0."""
    cells = np.tile(np.float32([0.5, 0.5, 0, 0, OBJECTNESS]), (1, COUNT, 1))
    return {"output": net.padded(net.beside(net.constant(cells), net.scores(pixels)), LEVELS, 7)}


def _best(net, pixels):
    """Score and number of the better class, both (1, cells, 1)."""
    scores = net.scores(pixels)
    number = net.add("Cast", net.add("ArgMax", scores, axis=2, keepdims=1), to=TensorProto.FLOAT)
    return net.add("ReduceMax", scores, net.constant([2], np.int64), keepdims=1), number


def yolov10(net, pixels):
    return {"output0": net.beside(net.constant(net.corners()[None]), *_best(net, pixels))}


def yolov7_nms(net, pixels):
    """As many rows as there are squares."""
    score, number = _best(net, pixels)
    images, boxes = net.constant(np.zeros((1, COUNT, 1))), net.constant(net.corners()[None])
    rows = net.add("Reshape", net.beside(images, boxes, number, score), net.constant([COUNT, 7], np.int64))
    sure = net.add("Greater", net.add("Reshape", score, net.constant([COUNT], np.int64)), net.constant(0.1))
    return {"output": net.add("Compress", rows, sure, axis=0)}


def detection_output(net, pixels):
    """Numbers from 1; a row that ends the list, and one behind it that must not count."""
    score, number = _best(net, pixels)
    images, ones = net.constant(np.zeros((1, COUNT, 1))), net.constant(1.0)
    parts = net.constant(net.corners()[None] / np.float32([net.width, net.height] * 2))
    rows = net.beside(images, net.add("Add", number, ones), score, parts)
    end = net.constant([[[-1, 0, 0, 0, 0, 0, 0]]])
    return {"detection_out": net.add("Unsqueeze", net.beside(rows, end, axis=1), net.constant([0], np.int64))}


def fastestdet(net, pixels):
    """One box of the size of a cell in the middle of each: tanh and sigmoid of these numbers say so."""
    offset = math.atanh(0.5)
    width, height = (-math.log(count - 1) for count in CELLS)  # sigmoid gives 1 / count
    cells = np.tile(np.float32([1, offset, offset, width, height]), (1, COUNT, 1))
    planes = net.add("Transpose", net.beside(net.constant(cells), net.scores(pixels)), perm=[0, 2, 1])
    return {"758": net.add("Reshape", planes, net.constant([1, 7, CELLS[1], CELLS[0]], np.int64))}


LAYOUTS = {
    layout.__name__: layout
    for layout in (boxes_scores, yolov8, yolov5, yolox, yolov10, yolov7_nms, detection_output, fastestdet)
}
# What networks of these layouts are fed with: the largest value, and the order of the channels.
FED = {"boxes_scores": (255, "rgb"), "yolox": (255, "bgr"), "detection_output": (255, "bgr"), "fastestdet": (1, "bgr")}


def write(adapter: str, file: Path, *, open_size: bool = False) -> Path:
    """Write the network of a layout; with `open_size` its input's height and width are left open."""
    largest, order = FED.get(adapter, (1, "rgb"))
    net = Network(adapter, 255 / largest, order)
    outputs = LAYOUTS[adapter](net, "images")
    sides = ["height", "width"] if open_size else [net.height, net.width]
    shape = [1, *sides, 3] if adapter == "boxes_scores" else [1, 3, *sides]
    kind = TensorProto.UINT8 if adapter == "boxes_scores" else TensorProto.FLOAT
    net.nodes += [helper.make_node("Identity", [value], [name]) for name, value in outputs.items()]
    graph = helper.make_graph(
        net.nodes,
        "squares",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        net.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    file.write_bytes(model.SerializeToString())
    return file
