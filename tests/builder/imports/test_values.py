"""Layouts with one shape: the values of a network that finds the same two objects on every image tell them apart.

All other rows are zeros, as in a network that lists what it found and fills up the rest.
"""

import numpy as np
import pytest

from builder.imports import adapters, values
from builder.imports.layout import Layout

SIZE = (320, 240)
CELLS = 40 * 30 + 20 * 15 + 10 * 8
# Class 0 and class 1.
BOXES = np.float32([[40, 60, 120, 180], [180, 100, 300, 220]])
SCORES = np.float32([0.9, 0.8])
FRACTIONS = BOXES / np.float32([*SIZE, *SIZE])


def centres(boxes):
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


def one_hot(classes):
    return SCORES[:, None] * np.eye(2, classes, dtype=np.float32)


def listed(*columns, rows=300):
    """(1, rows, columns): the two objects, then zeros."""
    found = np.concatenate([np.float32(column).reshape(2, -1) for column in columns], 1)
    return np.pad(found, ((0, rows - 2), (0, 0)))[None]


def in_strides():
    """Of the cells 0 and 1, with a stride of 8: offsets, and logarithms of sides."""
    found = centres(BOXES) / 8
    return np.concatenate([found[:, :2] - [[0, 0], [1, 0]], np.log(found[:, 2:])], 1)


def with_ones(rows):
    rows[..., 4] = 1
    return rows


def half_logits(classes):
    return np.where(one_hot(classes) > 0, np.log(one_hot(classes).clip(1e-9) / (1 - one_hot(classes))), -9)


NUMBERS = [0, 1]
CASES = {
    "yolov10": lambda classes: {"output0": listed(BOXES, SCORES, NUMBERS)},
    "rtdetr_ultralytics_topk": lambda classes: {"output0": listed(centres(FRACTIONS), SCORES, NUMBERS)},
    "rtdetr_ultralytics": lambda classes: {"output0": listed(centres(FRACTIONS), one_hot(classes))},
    "efficientdet": lambda classes: {"x": listed([0, 0], BOXES[:, [1, 0, 3, 2]], SCORES, [1, 2])},
    "yolox": lambda classes: {"x": listed(in_strides(), [1, 1], one_hot(classes), rows=CELLS)},
    "yolox_decoded": lambda classes: {"x": listed(centres(BOXES), [1, 1], one_hot(classes), rows=CELLS)},
    "yolov6": lambda classes: {"x": with_ones(listed(centres(BOXES), [1, 1], one_hot(classes), rows=CELLS))},
    "yolov8_transposed": lambda classes: {"x": listed(centres(BOXES), one_hot(classes), rows=CELLS)},
    "yolov8": lambda classes: {"x": listed(centres(BOXES), one_hot(classes), rows=CELLS).transpose(0, 2, 1)},
    "ppyoloe": lambda classes: {"x": listed(BOXES, one_hot(classes), rows=CELLS)},
    "yolov7_nms": lambda classes: {"output": listed([0, 0], BOXES, NUMBERS, SCORES, rows=2)[0]},
    "yolo_nas_flat": lambda classes: {"output": listed([0, 0], BOXES, SCORES, NUMBERS, rows=2)[0]},
    "boxes_scores": lambda classes: {"boxes": listed(BOXES), "scores": listed(one_hot(classes))},
    "yolov4": lambda classes: {"boxes": listed(FRACTIONS), "scores": listed(one_hot(classes))},
    "ssd": lambda classes: {
        "boxes": listed(FRACTIONS),
        "scores": np.concatenate([1 - listed(SCORES), listed(one_hot(classes))], 2),
    },
    "yolo_nas": lambda classes: {"904": listed(BOXES, rows=CELLS), "913": listed(one_hot(classes), rows=CELLS)},
    "detr": lambda classes: {"logits": listed(half_logits(classes)) - 0.01, "pred_boxes": listed(centres(FRACTIONS))},
}


def candidates(outputs, classes):
    shapes = {name: output.shape for name, output in outputs.items()}
    return adapters.fitting_adapters("onnx", shapes, SIZE, num_labels=classes, wanted=None)


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("name", CASES)
def test_one_adapter_is_left_and_gives_these_boxes(name, classes):
    outputs = CASES[name](classes)
    left = []
    for candidate in candidates(outputs, classes):
        layout = Layout(SIZE, classes, candidate.adapter.FIRST_CLASS)
        arrays = [outputs[output] for output in candidate.match.names]
        contradiction = getattr(candidate.adapter, "contradiction", lambda arrays, layout: "")
        if not contradiction(values.gather([arrays, arrays]), layout):
            left.append((candidate, layout, arrays))
    usual = [found for found in left if found[0].match.usual] or left
    assert [candidate.name for candidate, *_ in usual] == [name]
    ((candidate, layout, arrays),) = usual
    boxes, scores = candidate.adapter.decode(arrays, layout)
    rows = np.argsort(-scores[0].max(1), kind="stable")[:2]
    np.testing.assert_allclose(boxes[0, rows], BOXES, atol=1e-3)
    np.testing.assert_allclose(scores[0, rows].max(1), SCORES, atol=5e-3)
    assert list(scores[0, rows].argmax(1)) == NUMBERS


LISTS = ("yolov10", "rtdetr_ultralytics_topk", "efficientdet", "yolov7_nms", "yolo_nas_flat", "boxes_scores", "yolov4")


@pytest.mark.parametrize("name", LISTS)
def test_a_list_without_objects_contradicts_no_layout(name):
    outputs = {output: np.zeros_like(values) for output, values in CASES[name](2).items()}
    (candidate,) = (candidate for candidate in candidates(outputs, 2) if candidate.name == name)
    arrays = [outputs[output] for output in candidate.match.names]
    assert candidate.adapter.contradiction(arrays, Layout(SIZE, 2, candidate.adapter.FIRST_CLASS)) == ""


def test_a_few_negative_sides_are_no_logarithms():
    """YOLOv6 without distributions has them in cells where it finds nothing."""
    boxes = np.tile(np.float32([100, 100, 60, 40]), (1, 50, 1))
    boxes[0, :3, 2:] = -5
    assert values.are_sides(boxes)
    assert not values.are_sides(np.log(np.abs(boxes)))


def test_corners_as_fractions_are_not_taken_for_centres():
    """Nobody is known to export so: more boxes than could be so by chance."""
    random = np.random.default_rng(1)
    first = random.uniform(0, 0.5, (300, 2))
    corners = np.concatenate([first, first + 0.4, np.full((300, 1), 0.9), np.zeros((300, 1))], 1)[None]
    adapter = adapters.load("rtdetr_ultralytics_topk")
    assert adapter.contradiction([corners], Layout(SIZE, 2, 0)) == "corners"


def test_an_object_in_a_column_without_a_label():
    """RF-DETR with class numbers from 1 is read with --first-class 1."""
    adapter = adapters.load("rfdetr")
    logits = np.full((1, 300, 3), -5.0)
    logits[0, 0, 2] = 2
    arrays = [listed(centres(FRACTIONS)), logits]
    assert adapter.contradiction(arrays, Layout(SIZE, 2, 0)) == "objects in a column without a label"
    assert adapter.contradiction(arrays, Layout(SIZE, 2, 1)) == ""
    _, scores = adapter.decode(arrays, Layout(SIZE, 2, 1))
    assert scores[0, 0].argmax() == 1


def test_outputs_of_several_images_are_put_side_by_side():
    first, second = np.zeros((1, 3, 5)), np.zeros((1, 4, 5))
    assert [output.shape for output in values.gather([[first, first], [first, second]])] == [(2, 3, 5), (1, 7, 5)]
