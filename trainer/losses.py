"""Losses: a quality focal loss for classes and a GIoU loss for boxes.

References: Generalized Focal Loss, section 3.2, https://arxiv.org/abs/2006.04388;
Generalized IoU, https://arxiv.org/abs/1902.09630.
"""

import tensorflow as tf

from trainer.assigner import IGNORED

# Weight of the box loss beside the class loss, as in the reference implementation of GFL.
BOX_WEIGHT = 2.0


def quality_focal_loss(logits: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
    """Return the binary cross-entropy with a soft target, weighted by the squared error of the score.

    That is `|quality - sigmoid(logits)|² · cross-entropy`, float32 (..., K) like both arguments. `quality` in [0, 1] is
    the IoU of the predicted box for the true class, else 0.
    """
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=quality, logits=logits)
    return tf.square(quality - tf.sigmoid(logits)) * cross_entropy


def iou_and_giou(boxes_a: tf.Tensor, boxes_b: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the IoU of boxes pair by pair, and its generalisation that has a gradient for boxes apart.

    Both float32 (..., 4), xyxy, in one frame, to IoU in [0, 1] and GIoU in [-1, 1], float32 (...).
    """
    ax1, ay1, ax2, ay2 = tf.unstack(boxes_a, axis=-1)
    bx1, by1, bx2, by2 = tf.unstack(boxes_b, axis=-1)
    area_a = tf.maximum(ax2 - ax1, 0.0) * tf.maximum(ay2 - ay1, 0.0)
    area_b = tf.maximum(bx2 - bx1, 0.0) * tf.maximum(by2 - by1, 0.0)
    width = tf.maximum(tf.minimum(ax2, bx2) - tf.maximum(ax1, bx1), 0.0)
    height = tf.maximum(tf.minimum(ay2, by2) - tf.maximum(ay1, by1), 0.0)
    intersection = width * height
    union = area_a + area_b - intersection
    iou = tf.math.divide_no_nan(intersection, union)
    hull = (tf.maximum(ax2, bx2) - tf.minimum(ax1, bx1)) * (tf.maximum(ay2, by2) - tf.minimum(ay1, by1))
    return iou, iou - tf.math.divide_no_nan(hull - union, hull)


def pairwise_iou(boxes_a: tf.Tensor, boxes_b: tf.Tensor) -> tf.Tensor:
    """Return the IoU of each box of one set with each of the other: (..., G, 4) and (..., A, 4) to (..., G, A)."""
    return iou_and_giou(boxes_a[..., :, None, :], boxes_b[..., None, :, :])[0]


def detection_losses(
    logits: tf.Tensor, boxes: tf.Tensor, gt_classes: tf.Tensor, gt_boxes: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the sums over a batch; the caller divides both by the number of positive anchors.

    Args:
        logits: float32 (B, A, K).
        boxes: float32 (B, A, 4), decoded, xyxy, input pixels.
        gt_classes: int32 (B, A): class of each anchor's box, NEGATIVE for none; IGNORED anchors do not count.
        gt_boxes: float32 (B, A, 4).

    Returns:
        Class loss and box loss, float32 scalars.
    """
    positive = gt_classes >= 0
    iou, giou = iou_and_giou(boxes, gt_boxes)
    # A wild box may have no finite overlap where it does not count: select, do not multiply.
    quality = tf.one_hot(gt_classes, logits.shape[-1]) * tf.stop_gradient(tf.where(positive, iou, 0.0))[..., None]
    counts = (gt_classes != IGNORED)[..., None]
    class_loss = tf.reduce_sum(tf.where(counts, quality_focal_loss(logits, quality), 0.0))
    box_loss = tf.reduce_sum(tf.where(positive, 1.0 - giou, 0.0))
    return class_loss, BOX_WEIGHT * box_loss
