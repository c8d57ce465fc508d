"""ONNX networks that need no training: each finds red and blue squares and answers in the layout of one adapter.

With one class they find the red ones only.

The core is that of `tests/builder/squares.py`: a convolution as large as a cell, whose outputs are the scores of the
two colours in it. What follows only arranges scores and boxes as the networks of that layout do.
"""

import math
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, shape_inference

SIZES = {"fastestdet": (128, 96)}
SIZE = (64, 48)
# A cell of the grid on which the squares lie, as part of the input's width.
CELLS = (8, 6)
COUNT = CELLS[0] * CELLS[1]
# Rows of a network with a row for each cell of 8, 16 and 32 pixels; the last reach beyond the input.
LEVELS = 48 + 12 + 4
OBJECTNESS = 0.9


class Network:
    """Nodes of a graph while it is written down."""

    def __init__(self, adapter: str, scale: float, order: str, classes: int) -> None:
        self.nodes, self.constants = [], []
        self.other_inputs = []
        self.classes = classes
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

    def logits(self, pixels):
        """(1, cells, classes): of red and of blue."""
        kernel = np.zeros((2, 3, self.side, self.side), np.float32)
        kernel[0], kernel[1] = np.reshape([[0.7, -0.35, -0.35], [-0.35, -0.35, 0.7]], (2, 3, 1, 1))
        if self.order == "bgr":
            kernel = kernel[:, ::-1]
        weights = self.constant((kernel / self.side**2 * 8 / 255 * 5 * self.scale)[: self.classes])
        maps = self.add("Conv", pixels, weights, self.constant([-8.0] * self.classes), strides=[self.side, self.side])
        flat = self.add("Reshape", maps, self.constant([1, self.classes, COUNT], np.int64))
        return self.add("Transpose", flat, perm=[0, 2, 1])

    def scores(self, pixels):
        """(1, cells, classes): of red and of blue, in [0, 1]."""
        return self.add("Sigmoid", self.logits(pixels))

    def corners(self):
        """float32 (cells, 4): xyxy, input pixels."""
        y, x = (grid.ravel() * self.side for grid in np.mgrid[: CELLS[1], : CELLS[0]])
        return np.stack([x, y, x + self.side, y + self.side], 1).astype(np.float32)

    def fractions(self):
        """float32 (cells, 4): xyxy, as fractions of the input."""
        return self.corners() / np.float32([self.width, self.height] * 2)

    def other_input(self, name, kind):
        """An input (1, 2) that says something of the image's size; returned as float32 (1, 1, 4), each number twice."""
        self.other_inputs.append(helper.make_tensor_value_info(name, kind, ["N", 2]))
        pair = self.add("Unsqueeze", self.add("Cast", name, to=TensorProto.FLOAT), self.constant([1], np.int64))
        return self.beside(pair, pair)

    def cast(self, value, kind):
        return self.add("Cast", value, to=kind)

    def reshaped(self, value, *shape):
        return self.add("Reshape", value, self.constant(shape, np.int64))

    def filtered(self, score, *values):
        """Of each of `values`, rows along the first axis, those with a score."""
        sure = self.add("Greater", self.reshaped(score, COUNT), self.constant(0.1))
        return [self.add("Compress", value, sure, axis=0) for value in values]

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
    rows = net.padded(net.beside(net.constant(_centres(net)), net.scores(pixels)), LEVELS, 4 + net.classes)
    return {"output0": net.add("Transpose", rows, perm=[0, 2, 1])}


def yolov5(net, pixels):
    objects = np.full((1, COUNT, 1), OBJECTNESS)
    rows = net.beside(net.constant(np.concatenate([_centres(net), objects], 2)), net.scores(pixels))
    return {"output0": net.padded(rows, 3 * LEVELS, 5 + net.classes)}


def yolox(net, pixels):
    """Every square lies in the middle of its cell and is as large as one: offset a half, logarithm 0."""
    cells = np.tile(np.float32([0.5, 0.5, 0, 0, OBJECTNESS]), (1, COUNT, 1))
    return {"output": net.padded(net.beside(net.constant(cells), net.scores(pixels)), LEVELS, 5 + net.classes)}


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
    return {"758": net.add("Reshape", planes, net.constant([1, 5 + net.classes, CELLS[1], CELLS[0]], np.int64))}


def _rows_of_cells(net, pixels, objectness, padding):
    """Centres and sides in pixels, the score of an object, then those of the classes."""
    objects = np.full((1, COUNT, 1), objectness)
    rows = net.beside(net.constant(np.concatenate([_centres(net), objects], 2)), net.scores(pixels))
    return net.beside(rows, net.constant(np.tile(padding, (1, LEVELS - COUNT, 1))), axis=1)


def yolox_decoded(net, pixels):
    return {"output": _rows_of_cells(net, pixels, OBJECTNESS, [0.0] * (5 + net.classes))}


def yolov6(net, pixels):
    return {"outputs": _rows_of_cells(net, pixels, 1, [0.0] * 4 + [1] + [0] * net.classes)}


def yolov8_transposed(net, pixels):
    rows = net.beside(net.constant(_centres(net)), net.scores(pixels))
    return {"output0": net.padded(rows, LEVELS, 4 + net.classes)}


def _centres_of_fractions(net):
    return _centres(net) / np.float32([net.width, net.height] * 2)


def rtdetr_ultralytics(net, pixels):
    return {"output0": net.beside(net.constant(_centres_of_fractions(net)), net.scores(pixels))}


def rtdetr_ultralytics_topk(net, pixels):
    return {"output0": net.beside(net.constant(_centres_of_fractions(net)), *_best(net, pixels))}


def _numbers(net, number, first):
    return net.cast(net.add("Add", number, net.constant(float(first))), TensorProto.INT64)


def rtdetr(net, pixels):
    """Boxes as large as the second input says."""
    score, number = _best(net, pixels)
    size = net.other_input("orig_target_sizes", TensorProto.INT64)
    return {
        "labels": net.reshaped(_numbers(net, number, 0), 1, COUNT),
        "boxes": net.add("Mul", net.constant(net.fractions()[None]), size),
        "scores": net.reshaped(score, 1, COUNT),
    }


def torchvision(net, pixels):
    """One image without a batch; as many rows as there are squares; numbers from 1."""
    score, number = _best(net, net.add("Unsqueeze", pixels, net.constant([0], np.int64)))
    rows = net.constant(net.corners()), net.reshaped(_numbers(net, number, 1), COUNT), net.reshaped(score, COUNT)
    return dict(zip(("boxes", "labels", "scores"), net.filtered(score, *rows), strict=True))


def efficient_nms(net, pixels):
    """Behind the rows that count stands one with a high score."""
    score, number = _best(net, pixels)
    boxes = net.beside(net.constant(net.corners()[None]), net.constant([[[0, 0, 40, 40]]]), axis=1)
    scores, numbers = net.reshaped(score, 1, COUNT), net.reshaped(_numbers(net, number, 0), 1, COUNT)
    return {
        "num_dets": net.constant([[COUNT]], np.int64),
        "det_boxes": boxes,
        "det_scores": net.beside(scores, net.constant([[0.99]]), axis=1),
        "det_classes": net.beside(numbers, net.constant([[0]], np.int64), axis=1),
    }


def yolo_nas(net, pixels):
    boxes, scores = net.constant(net.corners()[None]), net.scores(pixels)
    return {"904": net.padded(boxes, LEVELS, 4), "913": net.padded(scores, LEVELS, net.classes)}


def damo_yolo(net, pixels):
    boxes, scores = net.constant(net.corners()[None]), net.scores(pixels)
    return {"output": net.padded(scores, LEVELS, net.classes), "952": net.padded(boxes, LEVELS, 4)}


def yolo_nas_flat(net, pixels):
    """Takes uint8."""
    score, number = _best(net, net.cast(pixels, TensorProto.FLOAT))
    images, boxes = net.constant(np.zeros((1, COUNT, 1))), net.constant(net.corners()[None])
    rows = net.reshaped(net.beside(images, boxes, score, number), COUNT, 7)
    return {"graph2_flat_predictions": net.filtered(score, rows)[0]}


def ssd(net, pixels):
    scores = net.scores(pixels)
    best = net.add("ReduceMax", scores, net.constant([2], np.int64), keepdims=1)
    background = net.add("Sub", net.constant(1.0), best)
    return {"scores": net.beside(background, scores), "boxes": net.constant(net.fractions()[None])}


def yolov4(net, pixels):
    return {"boxes": net.constant(net.fractions()[None, :, None]), "confs": net.scores(pixels)}


def detr(net, pixels):
    """The last column is that of no object."""
    logits = net.beside(net.logits(pixels), net.constant(np.zeros((1, COUNT, 1))))
    return {"logits": logits, "pred_boxes": net.constant(_centres_of_fractions(net))}


def detr_of_sigmoids(net, pixels):
    return {"logits": net.logits(pixels), "pred_boxes": net.constant(_centres_of_fractions(net))}


def rfdetr(net, pixels):
    """The last column is never returned."""
    logits = net.beside(net.logits(pixels), net.constant(np.full((1, COUNT, 1), -9.0)))
    return {"dets": net.constant(_centres_of_fractions(net)), "labels": logits}


def rfdetr_of_roboflow(net, pixels):
    """Neither is the first."""
    never = net.constant(np.full((1, COUNT, 1), -9.0))
    return {
        "dets": net.constant(_centres_of_fractions(net)),
        "labels": net.beside(never, net.logits(pixels), never),
    }


# Of the four distances, 8 each: two equal logits mean half a stride.
_HALF = np.tile([0.0, 0, -30, -30, -30, -30, -30, -30], 4)
_NOTHING, _WHOLE = ([30.0 if bin_ == at else 0 for bin_ in range(8)] for at in (0, 1))


def nanodet(net, pixels):
    """Three levels, whose points lie in the middle of cells."""
    rows = net.beside(net.scores(pixels), net.constant(np.tile(_HALF, (1, COUNT, 1))))
    return {"output": net.padded(rows, LEVELS, net.classes + 32)}


def nanodet_plus(net, pixels):
    """Four levels, whose points lie at the corners of cells."""
    distances = np.concatenate([_NOTHING, _NOTHING, _WHOLE, _WHOLE])
    rows = net.beside(net.scores(pixels), net.constant(np.tile(distances, (1, COUNT, 1))))
    return {"output": net.padded(rows, LEVELS + 1, net.classes + 32)}


def picodet(net, pixels):
    """Two outputs for each of four levels; the squares are in the first."""
    cells = (COUNT, 12, 4, 1)
    scores = [net.scores(pixels), *(net.constant(np.zeros((1, count, net.classes))) for count in cells[1:])]
    logits = [net.constant(np.tile(_HALF, (1, count, 1))) for count in cells]
    return {f"scale_{number}": output for number, output in enumerate((*scores, *logits))}


def ppyoloe(net, pixels):
    scores = net.add("Transpose", net.padded(net.scores(pixels), LEVELS, net.classes), perm=[0, 2, 1])
    return {"tmp_17": net.padded(net.constant(net.corners()[None]), LEVELS, 4), "concat_14": scores}


def ppyoloe_in_one(net, pixels):
    rows = net.beside(net.constant(net.corners()[None]), net.scores(pixels))
    return {"concat_14": net.padded(rows, LEVELS, 4 + net.classes)}


def paddle_nms(net, pixels):
    """Boxes divided by the second input; the third is not used; as many rows as there are squares."""
    score, number = _best(net, pixels)
    net.other_inputs.append(helper.make_tensor_value_info("im_shape", TensorProto.FLOAT, ["N", 2]))
    boxes = net.add("Div", net.constant(net.corners()[None]), net.other_input("scale_factor", TensorProto.FLOAT))
    rows = net.filtered(score, net.reshaped(net.beside(number, score, boxes), COUNT, 6))[0]
    count = net.add("Gather", net.add("Shape", rows), net.constant([0], np.int64), axis=0)
    return {"multiclass_nms3_0.tmp_0": rows, "multiclass_nms3_0.tmp_2": net.cast(count, TensorProto.INT32)}


def mmdetection(net, pixels):
    score, number = _best(net, pixels)
    rows = net.beside(net.constant(net.corners()[None]), score)
    return {"dets": rows, "labels": net.reshaped(_numbers(net, number, 0), 1, COUNT)}


def boxes_labels(net, pixels):
    """As many rows as there are squares; 32-bit numbers."""
    score, number = _best(net, pixels)
    rows = net.reshaped(net.beside(net.constant(net.corners()[None]), score), COUNT, 5)
    numbers = net.cast(net.reshaped(_numbers(net, number, 0), COUNT), TensorProto.INT32)
    return dict(zip(("labels", "boxes"), net.filtered(score, numbers, rows), strict=True))


def efficientdet(net, pixels):
    score, number = _best(net, pixels)
    images = net.constant(np.zeros((1, COUNT, 1)))
    boxes = net.constant(net.corners()[None, :, [1, 0, 3, 2]])
    return {"detections": net.beside(images, boxes, score, net.add("Add", number, net.constant(1.0)))}


def odapi_onnx(net, pixels):
    """Takes uint8 (1, H, W, 3); behind the rows that count stands one with a high score; others of its outputs."""
    planes = net.add("Transpose", net.cast(pixels, TensorProto.FLOAT), perm=[0, 3, 1, 2])
    score, number = _best(net, planes)
    boxes = net.constant(np.pad(net.fractions()[None, :, [1, 0, 3, 2]], ((0, 0), (0, 1), (0, 0)), constant_values=0.5))
    numbers = net.add("Add", net.reshaped(number, 1, COUNT), net.constant(1.0))
    return {
        "detection_boxes:0": boxes,
        "detection_classes:0": net.beside(numbers, net.constant([[1.0]]), axis=1),
        "detection_scores:0": net.beside(net.reshaped(score, 1, COUNT), net.constant([[0.99]]), axis=1),
        "num_detections:0": net.constant([float(COUNT)]),
        "raw_detection_boxes:0": boxes,
    }


# Prototypes of the cells of the grid, and of those between them: of a square all but its lower right quarter.
CHANNELS = 4


def _prototypes(net):
    """(1, C, H / 4, W / 4): where a cell of the grid has its object, and its opposite."""
    half = net.side // 4 // 2
    tile = np.ones((2 * half, 2 * half), np.float32)
    tile[half:, half:] = -1
    plane = np.tile(tile, (CELLS[1], CELLS[0])) * 6
    return net.constant(np.stack([plane, -plane, plane * 0, plane * 0])[None])


def _coefficients(net, count=COUNT):
    return net.constant(np.tile(np.float32([1, 0, 0.5, 0.5]), (1, count, 1)))


def yolov8_seg(net, pixels):
    rows = net.beside(net.constant(_centres(net)), net.scores(pixels), _coefficients(net))
    rows = net.padded(rows, LEVELS, 4 + net.classes + CHANNELS)
    return {"output0": net.add("Transpose", rows, perm=[0, 2, 1]), "output1": _prototypes(net)}


def yolov5_seg(net, pixels):
    objects = np.full((1, COUNT, 1), OBJECTNESS)
    boxes = net.constant(np.concatenate([_centres(net), objects], 2))
    rows = net.beside(boxes, net.scores(pixels), _coefficients(net))
    return {"output0": net.padded(rows, 3 * LEVELS, 5 + net.classes + CHANNELS), "output1": _prototypes(net)}


def yolov10_seg(net, pixels):
    rows = net.beside(net.constant(net.corners()[None]), *_best(net, pixels), _coefficients(net))
    return {"output0": rows, "output1": _prototypes(net)}


def _box_masks(count=COUNT, side=28):
    """float32 (count, side, side): all but the lower right quarter."""
    mask = np.ones((side, side), np.float32)
    mask[side // 2 :, side // 2 :] = 0
    return np.tile(mask, (count, 1, 1))


def _pictures(net):
    """float32 (cells, H, W): the same in the frame of the input."""
    pictures = np.zeros((COUNT, net.height, net.width), np.float32)
    for picture, (x1, y1, x2, y2) in zip(pictures, net.corners().astype(int), strict=True):
        picture[y1:y2, x1:x2] = 1
        picture[(y1 + y2) // 2 : y2, (x1 + x2) // 2 : x2] = 0
    return pictures


def mmdetection_masks(net, pixels):
    """Pictures, as RTMDet-Ins has them."""
    return {**mmdetection(net, pixels), "masks": net.constant(_pictures(net)[None])}


def mmdetection_box_masks(net, pixels):
    return {**mmdetection(net, pixels), "masks": net.constant(_box_masks()[None])}


def boxes_labels_masks(net, pixels):
    """As many rows as there are squares."""
    score, number = _best(net, pixels)
    rows = net.reshaped(net.beside(net.constant(net.corners()[None]), score), COUNT, 5)
    numbers = net.cast(net.reshaped(_numbers(net, number, 0), COUNT), TensorProto.INT32)
    values = net.filtered(score, numbers, rows, net.constant(_box_masks()))
    return dict(zip(("labels", "boxes", "masks"), values, strict=True))


def torchvision_masks(net, pixels):
    score, number = _best(net, net.add("Unsqueeze", pixels, net.constant([0], np.int64)))
    rows = net.constant(net.corners()), net.reshaped(_numbers(net, number, 1), COUNT), net.reshaped(score, COUNT)
    values = net.filtered(score, *rows, net.constant(_pictures(net)[:, None]))
    return dict(zip(("boxes", "labels", "scores", "masks"), values, strict=True))


def torchvision_masks_of_a_loop(net, pixels):
    """The size of the pictures does not follow from that of the input, as where a loop pastes them."""
    outputs = torchvision_masks(net, pixels)
    nothing = net.add("Cast", net.add("Mul", net.add("ReduceMax", pixels), net.constant(0.0)), to=TensorProto.INT64)
    end = net.add("Add", net.reshaped(nothing, 1), net.constant([net.height, net.width], np.int64))
    begin, axes = net.constant([0, 0], np.int64), net.constant([2, 3], np.int64)
    return {**outputs, "masks": net.add("Slice", outputs["masks"], begin, end, axes)}


_ADAPTERS = (
    *(boxes_scores, yolov8, yolov5, yolox, yolov10, yolov7_nms, detection_output, fastestdet, yolox_decoded, yolov6),
    *(yolov8_transposed, rtdetr_ultralytics, rtdetr_ultralytics_topk, rtdetr, torchvision, efficient_nms, yolo_nas),
    *(damo_yolo, yolo_nas_flat, ssd, yolov4, detr, rfdetr, nanodet, picodet, ppyoloe, paddle_nms, mmdetection),
    *(boxes_labels, efficientdet, odapi_onnx),
    *(yolov8_seg, yolov5_seg, yolov10_seg, mmdetection_masks, boxes_labels_masks, torchvision_masks),
)
LAYOUTS = {layout.__name__: layout for layout in _ADAPTERS}
# Other forms that an adapter reads, and that adapter.
FORMS = {
    detr_of_sigmoids.__name__: "detr",
    rfdetr_of_roboflow.__name__: "rfdetr",
    nanodet_plus.__name__: "nanodet",
    ppyoloe_in_one.__name__: "ppyoloe",
    mmdetection_box_masks.__name__: "mmdetection_masks",
    torchvision_masks_of_a_loop.__name__: "torchvision_masks",
}
_FORMS = (
    *(detr_of_sigmoids, rfdetr_of_roboflow, nanodet_plus, ppyoloe_in_one, mmdetection_box_masks),
    torchvision_masks_of_a_loop,
)
_ALL = LAYOUTS | {form.__name__: form for form in _FORMS}
# What networks of these layouts are fed with: the largest value, and the order of the channels.
FED = {
    **dict.fromkeys(("boxes_scores", "damo_yolo", "yolo_nas_flat", "odapi_onnx"), (255, "rgb")),
    **dict.fromkeys(("yolox", "yolox_decoded", "detection_output", "boxes_labels", "boxes_labels_masks"), (255, "bgr")),
    "fastestdet": (1, "bgr"),
}
RGB = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
BGR = ([103.53, 116.28, 123.675], [57.375, 57.12, 58.395])
# Those that are fed with (channel - mean) / scale.
NORMALISED = {
    **dict.fromkeys(("detr", "detr_of_sigmoids", "rfdetr", "rfdetr_of_roboflow"), RGB),
    **dict.fromkeys(("picodet", "mmdetection", "efficientdet"), RGB),
    **dict.fromkeys(("mmdetection_masks", "mmdetection_box_masks"), RGB),
    **dict.fromkeys(("nanodet", "nanodet_plus"), BGR),
    "ssd": ([127.0] * 3, [128.0] * 3),
}


def write(layout: str, file: Path, *, open_size: bool = False, classes: int = 2, normalised=None) -> Path:
    """Write the network of a layout.

    With `open_size` its input's height and width are left open; `normalised` is used in place of the usual mean and
    scale.
    """
    largest, order = FED.get(layout, (1, "rgb"))
    normalised = normalised or NORMALISED.get(layout)
    if normalised:
        largest, order = 255, "bgr" if normalised is BGR else "rgb"
    net = Network(layout, 255 / largest, order, classes)
    pixels = "images"
    if normalised:
        mean, scale = (net.constant(np.reshape(numbers, (1, 3, 1, 1))) for numbers in normalised)
        pixels = net.add("Add", net.add("Mul", pixels, scale), mean)
    outputs = _ALL[layout](net, pixels)
    sides = ["height", "width"] if open_size else [net.height, net.width]
    shape = [1, *sides, 3] if layout in ("boxes_scores", "odapi_onnx") else [1, 3, *sides]
    kind = TensorProto.UINT8 if layout in ("boxes_scores", "yolo_nas_flat", "odapi_onnx") else TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("images", kind, shape[1:] if layout.startswith("torchvision") else shape)]
    inputs += net.other_inputs
    known = _infer(helper.make_graph(net.nodes, "squares", inputs, [], net.constants))
    net.nodes += [helper.make_node("Identity", [value], [name]) for name, value in outputs.items()]
    ends = [helper.make_tensor_value_info(name, known[value], None) for name, value in outputs.items()]
    model = _model(helper.make_graph(net.nodes, "squares", inputs, ends, net.constants))
    file.write_bytes(model.SerializeToString())
    return file


def _model(graph):
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _infer(graph):
    """Types of all values."""
    inferred = shape_inference.infer_shapes(_model(graph)).graph.value_info
    return {value.name: value.type.tensor_type.elem_type for value in inferred} | {
        constant.name: constant.data_type for constant in graph.initializer
    }
