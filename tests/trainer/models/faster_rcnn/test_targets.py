import logging

import numpy as np
import pytest

from runtime.boxes import iou
from trainer import anchors
from trainer.assigner import IGNORED
from trainer.models.faster_rcnn import targets
from trainer.models.faster_rcnn.targets import (
    GT_PROPOSALS,
    JITTER,
    MAX_OBJECTS,
    NEGATIVE,
    NEGATIVE_BELOW,
    POSITIVE,
    SAMPLES,
    UNUSED,
    choose_objects,
    make_gt_proposals,
    pad_ground_truth,
    sample_anchors,
)

BOXES, LEVELS = anchors.generate((256, 192), (8, 16, 32, 64))
GT = np.float32([[20, 20, 60, 60], [100, 50, 230, 170]])


def drawn(gt_boxes, seed=0, boxes=BOXES, levels=LEVELS, classes=None):
    classes = np.zeros(len(gt_boxes), np.int64) if classes is None else np.array(classes)
    return sample_anchors(gt_boxes, classes, boxes, levels, np.random.default_rng(seed))


def test_objects_and_background_are_drawn():
    sample = drawn(GT)
    positive = sample.state == POSITIVE
    overlaps = iou(GT, BOXES[sample.index]).max(axis=0)

    assert 4 <= positive.sum() <= SAMPLES // 2
    assert positive.sum() + (sample.state == NEGATIVE).sum() == SAMPLES
    assert len(np.unique(sample.index)) == SAMPLES
    assert (overlaps[~positive] < NEGATIVE_BELOW).all()


def test_an_ignore_region_is_neither_object_nor_background():
    sample = drawn(GT, classes=[0, IGNORED])
    rows = BOXES[sample.index[sample.state != UNUSED]]
    centres = (rows[:, :2] + rows[:, 2:]) / 2

    assert {tuple(box) for box in sample.boxes[sample.state == POSITIVE]} == {tuple(GT[0])}
    assert not ((centres > GT[1, :2]) & (centres < GT[1, 2:])).all(axis=1).any()
    assert (iou(GT[1:], rows) < NEGATIVE_BELOW).all()


def test_a_positive_anchor_is_matched_to_a_box_that_it_overlaps():
    sample = drawn(GT)
    rows = np.flatnonzero(sample.state == POSITIVE)

    assert {tuple(box) for box in sample.boxes[rows]} == {tuple(box) for box in GT}
    assert all(iou(sample.boxes[[row]], BOXES[[sample.index[row]]])[0, 0] > 0.2 for row in rows)
    assert not sample.boxes[sample.state == NEGATIVE].any()


def test_at_most_half_are_objects():
    many = np.concatenate([BOXES[LEVELS == 0][::2] + shift for shift in (0, 1)])

    assert (drawn(many).state == POSITIVE).sum() == SAMPLES // 2


def test_an_image_without_objects_is_all_background():
    assert (drawn(np.zeros((0, 4), np.float32)).state == NEGATIVE).all()


def test_few_anchors_leave_places_unused():
    sample = drawn(GT[:1], boxes=BOXES[:40], levels=LEVELS[:40])

    assert (sample.state == UNUSED).sum() >= SAMPLES - 40
    assert not sample.index[sample.state == UNUSED].any()


def test_the_generator_decides_alone():
    assert np.array_equal(drawn(GT, 1).index, drawn(GT, 1).index)
    assert not np.array_equal(drawn(GT, 1).index, drawn(GT, 2).index)


OBJECTS = np.float32([[10, 10, 50, 30], [60, 0, 100, 90]])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_objects_stand_before_zeros():
    boxes, classes = pad_ground_truth(OBJECTS, np.array([2, 1]))

    assert (boxes.shape, boxes.dtype, classes.dtype) == ((MAX_OBJECTS, 4), np.float32, np.int32)
    assert boxes[:2].tolist() == OBJECTS.tolist() and classes[:2].tolist() == [2, 1]
    assert not boxes[2:].any() and not classes[2:].any()


def test_of_too_many_objects_a_random_part_is_used_and_logged_once(rng, caplog):
    targets._warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        first, second = (choose_objects(MAX_OBJECTS + 100, rng) for _ in range(2))

    assert not np.array_equal(first, second)
    assert all(len(np.unique(chosen)) == MAX_OBJECTS and max(chosen) < MAX_OBJECTS + 100 for chosen in (first, second))
    assert caplog.messages == [
        "an image has more than 1000 objects: the second stage is trained on a random part of them in each epoch."
    ]


def test_as_many_objects_as_there_is_place_for_stay_in_their_order(rng):
    assert choose_objects(MAX_OBJECTS, rng).tolist() == list(range(MAX_OBJECTS))


def test_gt_proposals_are_the_objects_and_moved_copies(rng):
    found = make_gt_proposals(OBJECTS, (120, 90), rng)
    exact = {tuple(box) for box in found[:2]}
    rows = found[:, None] - OBJECTS  # (HINTS, G, 4)
    sides = np.tile(OBJECTS[:, 2:] - OBJECTS[:, :2], 2)

    assert found.shape == (GT_PROPOSALS, 4)
    assert exact == {tuple(box) for box in OBJECTS}
    assert ((np.abs(rows) <= JITTER * sides + 1e-4).all(axis=-1)).any(axis=1).all()
    assert found.min() >= 0 and found[:, 3].max() <= 90
    assert len(np.unique(found, axis=0)) > GT_PROPOSALS / 2


def test_without_objects_there_are_no_gt_proposals(rng):
    assert not make_gt_proposals(np.zeros((0, 4), np.float32), (120, 90), rng).any()
