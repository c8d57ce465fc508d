import numpy as np
import pytest
import tensorflow as tf

from trainer.assigner import IGNORED, NEGATIVE
from trainer.losses import BOX_WEIGHT, detection_losses, iou_and_giou, quality_focal_loss


def boxes(*rows):
    return tf.constant(rows, tf.float32)


def test_equal_boxes_overlap_wholly():
    iou, giou = iou_and_giou(boxes([0, 0, 4, 2]), boxes([0, 0, 4, 2]))

    assert iou.numpy() == pytest.approx([1.0])
    assert giou.numpy() == pytest.approx([1.0])


def test_half_overlapping_boxes_by_hand():
    # Intersection 1 x 2, union 4 + 4 - 2 = 6, hull 3 x 2 = 6.
    iou, giou = iou_and_giou(boxes([0, 0, 2, 2]), boxes([1, 0, 3, 2]))

    assert iou.numpy() == pytest.approx([2 / 6])
    assert giou.numpy() == pytest.approx([2 / 6])


def test_boxes_apart_are_told_by_the_hull():
    # Areas 1 + 1, hull 4 x 1: GIoU = 0 - (4 - 2) / 4.
    iou, giou = iou_and_giou(boxes([0, 0, 1, 1]), boxes([3, 0, 4, 1]))

    assert iou.numpy() == [0.0]
    assert giou.numpy() == pytest.approx([-0.5])


def test_focal_loss_by_hand():
    # logit 0 is a score of 0.5: |1 - 0.5|² ln 2.
    loss = quality_focal_loss(tf.constant([0.0]), tf.constant([1.0]))

    assert loss.numpy() == pytest.approx([0.25 * np.log(2)])


def test_a_score_equal_to_the_quality_costs_nothing():
    assert quality_focal_loss(tf.constant([0.0]), tf.constant([0.5])).numpy() == [0.0]


def test_only_positive_anchors_have_a_box_loss():
    predicted = boxes([0, 0, 2, 2], [np.inf, 0, np.nan, 5])[None]
    truth = boxes([1, 0, 3, 2], [0, 0, 0, 0])[None]
    classes = tf.constant([[0, -1]])

    class_loss, box_loss = detection_losses(tf.zeros((1, 2, 1)), predicted, classes, truth)

    assert box_loss.numpy() == pytest.approx(BOX_WEIGHT * (1 - 2 / 6))
    assert np.isfinite(class_loss.numpy())


def test_ignored_anchors_cost_nothing():
    logits = tf.constant([[[3.0], [3.0]]])
    nothing, zeros = boxes([0, 0, 1, 1], [0, 0, 1, 1])[None], tf.zeros((1, 2, 4))

    both, _ = detection_losses(logits, nothing, tf.constant([[NEGATIVE, NEGATIVE]]), zeros)
    one, _ = detection_losses(logits, nothing, tf.constant([[NEGATIVE, IGNORED]]), zeros)

    assert both.numpy() > 1
    assert one.numpy() == pytest.approx(both.numpy() / 2)
