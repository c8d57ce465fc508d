"""Matching of cells to ground-truth boxes by what the network predicts: simplified optimal transport (SimOTA).

Each box takes the cells whose predictions would cost it least; how many follows from how well they overlap it already.
Candidates are cells in the box or near its centre; those in both are preferred.

Reference: YOLOX, section 2.3, https://arxiv.org/abs/2107.08430.
"""

from typing import NamedTuple

import tensorflow as tf

from trainer.losses import pairwise_iou

# Cells nearer to the centre of a box than this, in strides and along both axes, are candidates.
CENTRE_RADIUS = 2.5
# Cells with the best overlaps, whose sum is the number of cells that a box takes.
OVERLAPS = 10
IOU_COST = 3.0
# More than any sum of the others: cells in the box and near its centre come first, those that are no candidates never.
OUTSIDE_COST, IMPOSSIBLE_COST = 1e4, 1e8


class Matches(NamedTuple):
    """One row for each cell.

    Attributes:
        positive: bool (B, A): whether it is matched to a box.
        box: int32 (B, A): index of that box; 0 where there is none.
        iou: float32 (B, A): overlap of the prediction with that box; 0 where there is none.
    """

    positive: tf.Tensor
    box: tf.Tensor
    iou: tf.Tensor


def match(
    boxes: tf.Tensor,
    class_logits: tf.Tensor,
    object_logits: tf.Tensor,
    gt_boxes: tf.Tensor,
    gt_classes: tf.Tensor,
    centres: tf.Tensor,
    strides: tf.Tensor,
) -> Matches:
    """Match the cells of a batch; nothing has a gradient.

    Args:
        boxes: float32 (B, A, 4), predicted, xyxy, input pixels.
        class_logits: float32 (B, A, K).
        object_logits: float32 (B, A, 1).
        gt_boxes: float32 (B, G, 4), xyxy, input pixels.
        gt_classes: int32 (B, G): a negative one is no box.
        centres: float32 (A, 2), input pixels.
        strides: float32 (A,).
    """
    boxes, class_logits, object_logits = map(tf.stop_gradient, (boxes, class_logits, object_logits))
    valid = gt_classes >= 0
    near, inside_both = _candidates(gt_boxes, centres, strides)
    possible = near & valid[..., None]
    iou = tf.where(possible, pairwise_iou(gt_boxes, boxes), 0.0)  # (B, G, A)
    cost = (
        _class_cost(class_logits, object_logits, gt_classes)
        - IOU_COST * tf.math.log(iou + 1e-8)
        + tf.where(inside_both, 0.0, OUTSIDE_COST)
        + tf.where(possible, 0.0, IMPOSSIBLE_COST)
    )
    count = tf.minimum(OVERLAPS, tf.shape(iou)[-1])
    overlaps, _ = tf.math.top_k(iou, count)
    wanted = tf.clip_by_value(tf.cast(tf.reduce_sum(overlaps, -1), tf.int32), 1, count)  # (B, G)
    lowest = -tf.math.top_k(-cost, count)[0]
    limit = tf.gather(lowest, wanted - 1, batch_dims=2)
    taken = possible & (cost <= limit[..., None])
    owner, positive = _owners(taken, cost)
    # A box whose every cell went to a neighbour would never be learnt, since their cells suit that one ever better:
    # it gets the best of those that are left.
    own = (owner[:, None] == tf.range(tf.shape(cost)[1])[:, None]) & positive[:, None]
    without = valid & ~tf.reduce_any(own, axis=2)
    left = possible & ~positive[:, None]
    best = tf.argmin(tf.where(left, cost, 2 * IMPOSSIBLE_COST), axis=2, output_type=tf.int32)  # (B, G)
    second = left & without[..., None] & (tf.range(tf.shape(cost)[2]) == best[..., None])
    owner, positive = _owners(own | second, cost)
    by_cell = tf.gather(tf.transpose(iou, (0, 2, 1)), owner, batch_dims=2)
    return Matches(positive, owner, tf.where(positive, by_cell, 0.0))


def _owners(taken: tf.Tensor, cost: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the box of each cell, int32 (B, A), and whether it has one: of several that take it the cheapest."""
    owner = tf.argmin(tf.where(taken, cost, 2 * IMPOSSIBLE_COST), axis=1, output_type=tf.int32)
    positive = tf.reduce_any(taken, axis=1)
    return tf.where(positive, owner, 0), positive


def _candidates(gt_boxes: tf.Tensor, centres: tf.Tensor, strides: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return bool (B, G, A) twice: cells in the box or near its centre, and cells that are both."""
    x, y = centres[:, 0], centres[:, 1]
    x1, y1, x2, y2 = (gt_boxes[..., i, None] for i in range(4))
    in_box = (x > x1) & (x < x2) & (y > y1) & (y < y2)
    radius = CENTRE_RADIUS * strides
    near_centre = (tf.abs(x - (x1 + x2) / 2) < radius) & (tf.abs(y - (y1 + y2) / 2) < radius)
    return in_box | near_centre, in_box & near_centre


def _class_cost(class_logits: tf.Tensor, object_logits: tf.Tensor, gt_classes: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy (B, G, A) of each cell's scores, geometric means, with each box's class."""
    score = tf.sqrt(tf.sigmoid(class_logits) * tf.sigmoid(object_logits))
    score = tf.clip_by_value(score, 1e-6, 1 - 1e-6)
    negative = -tf.math.log(1 - score)  # (B, A, K)
    difference = -tf.math.log(score) - negative
    of_class = tf.gather(tf.transpose(difference, (0, 2, 1)), tf.maximum(gt_classes, 0), batch_dims=1)  # (B, G, A)
    return of_class + tf.reduce_sum(negative, -1)[:, None]
