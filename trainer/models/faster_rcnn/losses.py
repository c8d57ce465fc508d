"""Losses of the two stages: cross-entropy for sampled anchors and proposals, GIoU for boxes of objects.

Each class of the second stage has a sigmoid of its own, no softmax: weights of an earlier run can then be
transferred class by class. References: Faster R-CNN, section 3.1.2; Generalized IoU, https://arxiv.org/abs/1902.09630.
"""

import tensorflow as tf

from trainer.losses import BOX_WEIGHT, iou_and_giou
from trainer.models.faster_rcnn.rpn_targets import POSITIVE
from trainer.models.faster_rcnn.rpn_targets import UNUSED as UNUSED_ANCHOR
from trainer.models.faster_rcnn.sampling import UNUSED, RoiSample
from trainer.models.network import Loss


def proposal_losses(objectness: tf.Tensor, boxes: tf.Tensor, state: tf.Tensor, gt_boxes: tf.Tensor) -> dict[str, Loss]:
    """Return the losses of the first stage, for S sampled anchors (see `rpn_targets.AnchorSample`).

    Args:
        objectness: float32 (B, S): logits.
        boxes: float32 (B, S, 4): decoded, input pixels.
        state: int32 (B, S).
        gt_boxes: float32 (B, S, 4): of the positive ones.
    """
    positive = state == POSITIVE
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(positive, tf.float32), logits=objectness)
    return {
        "proposal_class_loss": _loss(entropy, state != UNUSED_ANCHOR),
        "proposal_box_loss": _loss(_distance(boxes, gt_boxes), positive),
    }


def roi_losses(logits: tf.Tensor, boxes: tf.Tensor, rois: RoiSample) -> dict[str, Loss]:
    """Return the losses of the second stage: logits float32 (B, S, K), final boxes float32 (B, S, 4), input pixels."""
    # Of negative classes one_hot makes a row of zeros.
    truth = tf.one_hot(rois.gt_classes, logits.shape[-1])
    entropy = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=truth, logits=logits), axis=-1)
    return {
        "class_loss": _loss(entropy, rois.gt_classes != UNUSED),
        "box_loss": _loss(BOX_WEIGHT * _distance(boxes, rois.gt_boxes), rois.gt_classes >= 0),
    }


def _distance(boxes: tf.Tensor, gt_boxes: tf.Tensor) -> tf.Tensor:
    return 1.0 - iou_and_giou(boxes, gt_boxes)[1]


def _loss(values: tf.Tensor, counted: tf.Tensor) -> Loss:
    # A wild box may have no finite distance where it does not count: select, do not multiply.
    return Loss(tf.reduce_sum(tf.where(counted, values, 0.0)), tf.reduce_sum(tf.cast(counted, tf.float32)))
