import numpy as np
import tensorflow as tf

from trainer.assigner import IGNORED
from trainer.models.faster_rcnn.sampling import BACKGROUND, POSITIVES, SAMPLES, UNUSED, sample_rois

GT = np.float32([[[10, 10, 50, 50], [60, 60, 100, 90], [0, 0, 0, 0]]])
CLASSES = np.int32([[2, 1, 0]])


def sample(proposals, noise=None, seed=0, classes=CLASSES):
    proposals = np.float32(proposals)[None]
    noise = np.random.default_rng(seed).random(proposals.shape[:2], np.float32) if noise is None else noise
    found = sample_rois(tf.constant(proposals), tf.constant(GT), tf.constant(classes), tf.constant(noise))
    return [part.numpy()[0] for part in found]


def near(box, count, seed=0):
    return np.float32(box) + np.random.default_rng(seed).uniform(-2, 2, (count, 4))


def far(count):
    return np.tile(np.float32([150, 150, 170, 170]), (count, 1)) + np.arange(count)[:, None]


def test_at_most_a_quarter_are_objects():
    boxes, classes, gt_boxes, gt_rows = sample([*near(GT[0, 0], 40), *near(GT[0, 1], 10), *far(100)])
    positive = classes >= 0

    assert boxes.shape == (SAMPLES, 4)
    assert positive.sum() == POSITIVES
    assert (classes == BACKGROUND).sum() == SAMPLES - POSITIVES
    assert positive[:POSITIVES].all()
    assert set(classes[positive]) <= {1, 2}
    for box, gt_box, class_id, row in zip(
        *(part[positive] for part in (boxes, gt_boxes, classes, gt_rows)), strict=True
    ):
        assert np.abs(box - gt_box).max() <= 2
        assert row == {2: 0, 1: 1}[class_id]
        assert gt_box.tolist() == GT[0, row].tolist()


def test_the_rest_is_background_where_there_are_few_objects():
    _, classes, *_ = sample([*near(GT[0, 1], 3), *far(100)])

    assert (classes == 1).sum() == 3
    assert (classes == BACKGROUND).sum() == SAMPLES - 3


def test_half_an_object_is_background_and_a_box_without_area_is_nothing():
    half = [10, 10, 29, 50]  # 19 of 40 columns
    _, classes, *_ = sample([half, *np.zeros((20, 4)), *near(GT[0, 0], 50)])

    assert (classes == BACKGROUND).sum() == 1
    assert (classes >= 0).sum() == POSITIVES
    assert (classes == UNUSED).sum() == SAMPLES - 1 - POSITIVES


def test_noise_decides_alone():
    proposals = [*near(GT[0, 0], 40), *far(100)]

    assert np.array_equal(sample(proposals, seed=1)[0], sample(proposals, seed=1)[0])
    assert not np.array_equal(sample(proposals, seed=1)[0], sample(proposals, seed=2)[0])


def test_proposals_at_an_ignore_region_are_not_sampled():
    a_third = [10, 10, 24, 50]  # 14 of 40 columns
    boxes, classes, *_ = sample(
        [a_third, *near(GT[0, 0], 10), *near(GT[0, 1], 3), *far(20)], classes=np.int32([[IGNORED, 1, 0]])
    )

    assert (classes == 1).sum() == 3
    assert (classes == BACKGROUND).sum() == 20
    assert (boxes[classes == BACKGROUND, 0] >= 150).all()
    assert (classes == UNUSED).sum() == len(classes) - 23
