import math

import numpy as np
import pytest
import tensorflow as tf

from trainer.models.faster_rcnn.network import proposal_losses, roi_losses
from trainer.models.faster_rcnn.sampling import BACKGROUND, UNUSED, RoiSample
from trainer.models.faster_rcnn.targets import NEGATIVE, POSITIVE
from trainer.models.faster_rcnn.targets import UNUSED as UNUSED_ANCHOR

BOX, WILD = [0.0, 0.0, 10.0, 10.0], [math.inf] * 4


def test_the_first_stage_pays_for_what_was_drawn():
    """Logit 0 costs ln 2 whatever is true; the positive's box covers half of its object: IoU and GIoU are 1 / 2."""
    parts = proposal_losses(
        objectness=tf.zeros((1, 3)),
        boxes=tf.constant([[[0.0, 0.0, 10.0, 5.0], WILD, WILD]]),
        state=tf.constant([[POSITIVE, NEGATIVE, UNUSED_ANCHOR]]),
        gt_boxes=tf.constant([[BOX, BOX, BOX]]),
    )

    assert [float(value) for value in parts["proposal_class_loss"]] == pytest.approx([2 * math.log(2), 2])
    assert [float(value) for value in parts["proposal_box_loss"]] == pytest.approx([0.5, 1])


def test_the_second_stage_pays_for_every_class_of_what_was_drawn():
    """Two classes at logit 0: each thing costs 2 ln 2. The box loss counts twice."""
    rois = RoiSample(
        boxes=tf.zeros((1, 3, 4)),
        gt_classes=tf.constant([[1, BACKGROUND, UNUSED]]),
        gt_boxes=tf.constant([[BOX, BOX, BOX]]),
        gt_rows=tf.constant([[0, 0, 0]]),
    )
    parts = roi_losses(tf.zeros((1, 3, 2)), tf.constant([[[0.0, 0.0, 10.0, 5.0], WILD, WILD]]), rois)

    assert [float(value) for value in parts["class_loss"]] == pytest.approx([4 * math.log(2), 2])
    assert [float(value) for value in parts["box_loss"]] == pytest.approx([1.0, 1])


def test_a_class_that_is_sure_and_right_costs_nothing():
    rois = RoiSample(
        tf.zeros((1, 2, 4)), tf.constant([[1, BACKGROUND]]), tf.zeros((1, 2, 4)), tf.zeros((1, 2), tf.int32)
    )
    logits = tf.constant(np.float32([[[-30, 30], [-30, -30]]]))

    assert float(roi_losses(logits, tf.zeros((1, 2, 4)), rois)["class_loss"].total) == pytest.approx(0, abs=1e-6)
