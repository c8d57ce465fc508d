"""Which proposals the second stage learns from: a few dozen of each image, objects and background in balance.

What is random was drawn beside the image, from the run's seed and the image's place in its epoch, and comes in as
numbers: a resumed run draws the same. Reference: Fast R-CNN, section 2.3, https://arxiv.org/abs/1504.08083.
"""

from typing import NamedTuple

import tensorflow as tf

from trainer.assigner import IGNORE_IOU, IGNORED
from trainer.models.faster_rcnn.proposals import LEAST_SIDE, pairwise_iou

SAMPLES = 64
POSITIVES = 16
# A proposal that overlaps an object by as much is one; every other is background.
POSITIVE_FROM = 0.5
BACKGROUND, UNUSED = -1, -2


class RoiSample(NamedTuple):
    """S proposals of each image.

    Attributes:
        boxes: float32 (B, S, 4).
        gt_classes: int32 (B, S): class of the object, BACKGROUND, or UNUSED where there are fewer than S to draw.
        gt_boxes: float32 (B, S, 4): the object's box; of no meaning for background.

    """

    boxes: tf.Tensor
    gt_classes: tf.Tensor
    gt_boxes: tf.Tensor


def sample_rois(proposals: tf.Tensor, gt_boxes: tf.Tensor, gt_classes: tf.Tensor, noise: tf.Tensor) -> RoiSample:
    """Draw `SAMPLES` proposals of each image, at most `POSITIVES` of them objects.

    Args:
        proposals: float32 (B, P, 4), xyxy, input pixels, at least `SAMPLES`; a row without area is none.
        gt_boxes: float32 (B, G, 4); rows of zeros are none.
        gt_classes: int32 (B, G); IGNORED makes a box a place to pass over.
        noise: float32 (B, P), in [0, 1): the higher, the sooner a proposal is drawn.

    """
    overlaps = pairwise_iou(proposals, gt_boxes)  # (B, P, G)
    ignored = (gt_classes == IGNORED)[:, None]  # (B, 1, G)
    passed_over = tf.reduce_max(tf.where(ignored, overlaps, 0.0), axis=-1) >= IGNORE_IOU
    overlaps = tf.where(ignored, 0.0, overlaps)
    owner = tf.argmax(overlaps, axis=-1, output_type=tf.int32)
    is_box = tf.reduce_min(proposals[..., 2:] - proposals[..., :2], axis=-1) >= LEAST_SIDE
    positive = (tf.reduce_max(overlaps, axis=-1) >= POSITIVE_FROM) & is_box
    # The positive after the last that is drawn sets the mark which the drawn ones exceed.
    mark = tf.math.top_k(tf.where(positive, noise, -1.0), POSITIVES + 1).values[:, -1:]
    drawn = positive & (noise > mark)
    order = tf.where(drawn, noise + 1.0, tf.where(is_box & ~positive & ~passed_over, noise, -1.0))
    rank, index = tf.math.top_k(order, min(SAMPLES, proposals.shape[1]))
    owner = tf.gather(owner, index, batch_dims=1)
    classes = tf.gather(gt_classes, owner, batch_dims=1)
    classes = tf.where(rank >= 1.0, classes, tf.where(rank >= 0.0, BACKGROUND, UNUSED))
    return RoiSample(tf.gather(proposals, index, batch_dims=1), classes, tf.gather(gt_boxes, owner, batch_dims=1))
