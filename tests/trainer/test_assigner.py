"""Boxes made by hand on anchors that can be counted: at stride 8 they have 32 pixels, and centres 4, 12, …, 60."""

import numpy as np
import pytest

from trainer.anchors import generate
from trainer.assigner import IGNORED, NEGATIVE, assign_anchors

ANCHORS, LEVELS = generate((64, 64), [8, 16])
FINE, FINE_LEVELS = generate((64, 64), [8])
LARGE = 64  # side of the anchors at stride 16, whose centres are 8, 24, 40 and 56


def centres(anchors):
    return {tuple(map(float, centre)) for centre in (anchors[:, :2] + anchors[:, 2:]) / 2}


def matched_centres(boxes, classes, wanted):
    """Centres of the fine anchors with a class."""
    assignment = assign_anchors(np.array(boxes, np.float32), np.array(classes), FINE, FINE_LEVELS)
    return centres(FINE[assignment.class_ids == wanted])


def test_an_image_without_objects_has_only_negatives():
    assignment = assign_anchors(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), ANCHORS, LEVELS)

    assert (assignment.class_ids == NEGATIVE).all()
    assert not assignment.boxes.any()


def test_a_box_on_an_anchor_is_matched_to_it_alone():
    # Centre (28, 28). The nine nearest anchors: itself, IoU 1; four 8 pixels away, 24·32 / (2·32² - 24·32) = 0.600;
    # four on the diagonals, 24² / (2·32² - 24²) = 0.391. Their mean 0.552 and deviation 0.187 add up to 0.739.
    assert matched_centres([[12, 12, 44, 44]], [0], 0) == {(28, 28)}


def test_a_box_between_two_anchors_is_matched_to_both():
    # Centre (32, 28). Two anchors 4 pixels away, 28·32 / (2·32² - 28·32) = 0.778; four with (4, 8), 0.488; two with
    # (12, 0), 0.455; one of the four with (12, 8), 0.306. Mean 0.525 and deviation 0.146 add up to 0.671.
    assert matched_centres([[16, 12, 48, 44]], [0], 0) == {(28, 28), (36, 28)}


def test_an_anchor_that_suits_two_boxes_is_matched_to_the_one_it_overlaps_more():
    # The anchor at (36, 28) overlaps the first by 0.778 as above, and is the second.
    boxes = [[16, 12, 48, 44], [20, 12, 52, 44]]

    assert matched_centres(boxes, [0, 1], 0) == {(28, 28)}
    assert matched_centres(boxes, [0, 1], 1) == {(36, 28)}


def test_a_matched_anchor_carries_its_box_and_the_others_none():
    box = np.float32([[16, 12, 48, 44]])
    assignment = assign_anchors(box, np.array([2]), FINE, FINE_LEVELS)

    assert sorted(set(assignment.class_ids)) == [NEGATIVE, 2]
    assert (assignment.boxes[assignment.class_ids == 2] == box).all()
    assert not assignment.boxes[assignment.class_ids == NEGATIVE].any()


@pytest.mark.parametrize(("side", "level"), [(32, 0), (LARGE, 1)])
def test_a_box_of_an_anchors_size_is_matched_on_that_level(side, level):
    box = np.float32([[28 - side / 2, 28 - side / 2, 28 + side / 2, 28 + side / 2]])
    assignment = assign_anchors(box, np.array([0]), ANCHORS, LEVELS)

    assert set(LEVELS[assignment.class_ids == 0]) == {level}


def test_every_box_gets_an_anchor_however_small_or_hidden():
    boxes = np.float32([[0, 0, 64, 64], [30, 30, 33, 33], [31, 31, 32, 32], [60, 0, 64, 64]])
    assignment = assign_anchors(boxes, np.arange(4), ANCHORS, LEVELS)

    assert set(assignment.class_ids) == {NEGATIVE, 0, 1, 2, 3}


def test_equal_boxes_of_two_classes_both_get_an_anchor():
    boxes = np.float32([[10, 10, 30, 30], [10, 10, 30, 30]])
    assignment = assign_anchors(boxes, np.array([0, 1]), ANCHORS, LEVELS)

    assert set(assignment.class_ids) == {NEGATIVE, 0, 1}


def test_anchors_at_an_ignore_region_are_neither_object_nor_background():
    region = np.float32([[30, 12, 42, 44]])  # 12 x 32 pixels
    class_ids = assign_anchors(region, np.array([IGNORED]), ANCHORS, LEVELS).class_ids

    assert set(class_ids) == {NEGATIVE, IGNORED}
    assert centres(ANCHORS[(class_ids == IGNORED) & (LEVELS == 0)]) == {
        *((36, 20), (36, 28), (36, 36)),  # centre in the region; 12 and 44 are its borders
        *((28, 28), (44, 28)),  # contain it: 12·32 / 32² = 0.375; at y = 20 or 36 it is 12·24 / 1120 = 0.257
    }
    # The large ones overlap it by 12·32 / 64² = 0.094 at most: only those with their centre in it are ignored.
    assert centres(ANCHORS[(class_ids == IGNORED) & (LEVELS == 1)]) == {(40, 24), (40, 40)}


def test_a_matched_anchor_is_not_ignored():
    """The anchor at (36, 28) has its centre in an ignore region and is the box of class 1."""
    boxes, classes = [[30, 12, 42, 44], [20, 12, 52, 44]], [IGNORED, 1]

    assert matched_centres(boxes, classes, 1) == {(36, 28)}
    assert matched_centres(boxes, classes, IGNORED) == {(36, 20), (36, 36), (28, 28), (44, 28)}
