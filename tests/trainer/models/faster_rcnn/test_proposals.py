import numpy as np
import pytest
import tensorflow as tf

from runtime.boxes import iou, nms
from trainer.models.faster_rcnn.proposals import IOU_THRESHOLD, Proposals, clip, gather_rows, pairwise_iou, survivors


def crowd(seed, count=300):
    """Boxes in so little room that chains of them suppress each other."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(20, 40, (count, 2))], axis=1).astype(np.float32)


def test_survivors_are_those_of_a_greedy_suppression_in_each_image():
    boxes = np.stack([crowd(1), crowd(2)])
    falling = np.linspace(1, 0, 300, dtype=np.float32)

    kept = survivors(tf.constant(boxes)).numpy()

    for image, mask in zip(boxes, kept, strict=True):
        expected = np.zeros(300, bool)
        expected[nms(image, falling, iou_threshold=IOU_THRESHOLD)] = True
        assert 50 < expected.sum() < 250
        np.testing.assert_array_equal(mask, expected)


def test_a_suppressed_box_suppresses_nobody():
    """The second overlaps the first (8.5 of 11.5 rows), the third only the second (with the first 7 of 13)."""
    boxes = tf.constant([[[0, 0, 10, 10], [0, 1.5, 10, 11.5], [0, 3, 10, 13]]], tf.float32)

    assert survivors(boxes).numpy().tolist() == [[True, False, True]]


def test_overlaps_of_every_pair():
    a, b = crowd(3, 5), crowd(4, 7)

    np.testing.assert_allclose(pairwise_iou(a[None], b[None])[0], iou(a, b), rtol=1e-5)
    assert pairwise_iou(np.zeros((1, 1, 4), np.float32), a[None]).numpy().max() == 0


def test_coordinates_are_taken_together():
    boxes = tf.reshape(tf.range(24.0), (2, 3, 4))

    assert gather_rows(boxes, tf.constant([[2, 0], [1, 1]])).numpy().tolist() == [
        [[8, 9, 10, 11], [0, 1, 2, 3]],
        [[16, 17, 18, 19], [16, 17, 18, 19]],
    ]


def test_boxes_are_cut_off_at_the_input():
    assert clip(tf.constant([[-5.0, 3.0, 70.0, 50.0]]), (64, 48)).numpy().tolist() == [[0, 3, 64, 48]]


@pytest.fixture(scope="module")
def stage():
    """Five anchors: two alike, one apart, one outside the input, one at its border."""
    anchors = np.float32([[0, 0, 20, 20], [1, 0, 21, 20], [30, 20, 50, 40], [-30, 0, -5, 20], [50, 30, 80, 60]])
    return Proposals(anchors, (64, 48))


def test_the_best_come_first_then_what_was_suppressed_then_what_has_no_area(stage):
    logits = tf.constant([[1.0, 2.0, 3.0, 9.0, 0.5]])

    found = stage(logits, tf.zeros((1, 5, 4))).numpy()[0].tolist()

    assert found == [[30, 20, 50, 40], [1, 0, 21, 20], [50, 30, 64, 48], [0, 0, 20, 20], [0, 0, 0, 20]]


def test_images_of_a_batch_do_not_touch_each_other(stage):
    logits = np.float32([[1, 2, 3, 9, 0.5], [5, 1, 2, 0, 7]])
    deltas = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)

    together = stage(tf.constant(logits), tf.constant(deltas)).numpy()
    alone = [stage(tf.constant(logits[i : i + 1]), tf.constant(deltas[i : i + 1])).numpy()[0] for i in range(2)]

    np.testing.assert_allclose(together, np.stack(alone), atol=1e-4)
