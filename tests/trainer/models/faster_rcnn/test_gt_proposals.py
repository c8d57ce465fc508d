import logging

import numpy as np
import pytest

from trainer.models.faster_rcnn import gt_proposals
from trainer.models.faster_rcnn.gt_proposals import (
    GT_PROPOSALS,
    JITTER,
    MAX_OBJECTS,
    make_gt_proposals,
    pad_ground_truth,
)

GT = np.float32([[10, 10, 50, 30], [60, 0, 100, 90]])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_objects_stand_before_zeros(rng):
    boxes, classes = pad_ground_truth(GT, np.array([2, 1]), rng)

    assert (boxes.shape, boxes.dtype, classes.dtype) == ((MAX_OBJECTS, 4), np.float32, np.int32)
    assert boxes[:2].tolist() == GT.tolist() and classes[:2].tolist() == [2, 1]
    assert not boxes[2:].any() and not classes[2:].any()


def test_of_too_many_objects_each_look_takes_others_and_the_log_says_so_once(rng, caplog):
    gt_proposals._warn_once.cache_clear()
    many = np.arange(4.0 * (MAX_OBJECTS + 100), dtype=np.float32).reshape(-1, 4)

    with caplog.at_level(logging.WARNING):
        first, second = (pad_ground_truth(many, np.arange(len(many)), rng) for _ in range(2))

    assert not np.array_equal(first[0], second[0])
    assert all(np.array_equal(boxes, many[classes]) for boxes, classes in (first, second))
    assert caplog.messages == [
        "an image has more than 1000 objects: the second stage is trained on a random part of them in each epoch."
    ]


def test_hints_are_the_objects_and_moved_copies(rng):
    found = make_gt_proposals(GT, (120, 90), rng)
    exact = {tuple(box) for box in found[:2]}
    rows = found[:, None] - GT  # (HINTS, G, 4)
    sides = np.tile(GT[:, 2:] - GT[:, :2], 2)

    assert found.shape == (GT_PROPOSALS, 4)
    assert exact == {tuple(box) for box in GT}
    assert ((np.abs(rows) <= JITTER * sides + 1e-4).all(axis=-1)).any(axis=1).all()
    assert found.min() >= 0 and found[:, 3].max() <= 90
    assert len(np.unique(found, axis=0)) > GT_PROPOSALS / 2


def test_without_objects_there_are_no_hints(rng):
    assert not make_gt_proposals(np.zeros((0, 4), np.float32), (120, 90), rng).any()
