import numpy as np

from runtime.boxes import iou
from trainer.anchors import generate
from trainer.assigner import IGNORE_IOU, IGNORED, NEGATIVE, assign_anchors

ANCHORS, LEVELS = generate((64, 64), [8, 16])


def test_an_image_without_objects_has_only_negatives():
    assignment = assign_anchors(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), ANCHORS, LEVELS)

    assert (assignment.class_ids == NEGATIVE).all()
    assert not assignment.boxes.any()


def test_positive_anchors_have_their_centre_in_the_box_and_carry_it():
    box = np.float32([[8, 8, 40, 40]])
    assignment = assign_anchors(box, np.array([2]), ANCHORS, LEVELS)

    positive = assignment.class_ids == 2
    centres = (ANCHORS[positive, :2] + ANCHORS[positive, 2:]) / 2
    assert positive.any()
    assert ((centres > 8) & (centres < 40)).all()
    assert (assignment.boxes[positive] == box).all()
    assert (assignment.class_ids[~positive] == NEGATIVE).all()


def test_a_box_of_an_anchors_size_is_answered_on_that_level():
    # Anchors of level 0 are 32 pixels large, those of level 1 are 64.
    assignment = assign_anchors(np.float32([[12, 12, 44, 44]]), np.array([0]), ANCHORS, LEVELS)

    assert set(LEVELS[assignment.class_ids == 0]) == {0}


def test_every_box_gets_an_anchor_however_small_or_hidden():
    boxes = np.float32([[0, 0, 64, 64], [30, 30, 33, 33], [31, 31, 32, 32], [60, 0, 64, 64]])
    assignment = assign_anchors(boxes, np.arange(4), ANCHORS, LEVELS)

    assert set(assignment.class_ids) == {NEGATIVE, 0, 1, 2, 3}


def test_equal_boxes_of_two_classes_both_get_an_anchor():
    boxes = np.float32([[10, 10, 30, 30], [10, 10, 30, 30]])
    assignment = assign_anchors(boxes, np.array([0, 1]), ANCHORS, LEVELS)

    assert set(assignment.class_ids) == {NEGATIVE, 0, 1}


def test_anchors_at_a_place_to_pass_over_are_neither_object_nor_background():
    boxes = np.float32([[4, 4, 20, 20], [40, 40, 60, 60]])
    assignment = assign_anchors(boxes, np.array([1, IGNORED]), ANCHORS, LEVELS)
    alone = assign_anchors(boxes[:1], np.array([1]), ANCHORS, LEVELS)

    centres = (ANCHORS[:, :2] + ANCHORS[:, 2:]) / 2
    sees = ((centres > 40) & (centres < 60)).all(axis=1) | (iou(boxes[1:], ANCHORS)[0] >= IGNORE_IOU)
    assert sees.any()
    assert (assignment.class_ids == np.where((alone.class_ids == NEGATIVE) & sees, IGNORED, alone.class_ids)).all()
    assert (assignment.boxes == alone.boxes).all()


def test_an_image_with_nothing_but_a_place_to_pass_over():
    assignment = assign_anchors(np.float32([[0, 0, 64, 64]]), np.array([IGNORED]), ANCHORS, LEVELS)

    assert (assignment.class_ids == IGNORED).any()
    assert (assignment.class_ids < 0).all()
