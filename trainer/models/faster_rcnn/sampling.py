"""Proposals that the second stage is trained on: a few dozen of each image, balanced between objects and background.

Random numbers come with the image, from the run's seed and its position in the epoch: a resumed run samples the
same. Reference: Fast R-CNN, section 2.3, https://arxiv.org/abs/1504.08083.
"""

from typing import NamedTuple

import tensorflow as tf

from trainer.assigner import IGNORE_IOU, IGNORED
from trainer.models.faster_rcnn.proposals import MIN_SIDE, pairwise_iou

SAMPLES = 64
POSITIVES = 16
# IoU with an object from which on a proposal is positive; all others are background.
POSITIVE_FROM = 0.5
BACKGROUND, UNUSED = -1, -2


class RoiSample(NamedTuple):
    """S proposals of each image, those of objects first.

    Attributes:
        boxes: float32 (B, S, 4).
        gt_classes: int32 (B, S): class of the object, BACKGROUND, or UNUSED where there are fewer than S.
        gt_boxes: float32 (B, S, 4): the object's box; undefined for background.
        gt_rows: int32 (B, S): the object's row in the ground truth; undefined for background.
    """

    boxes: tf.Tensor
    gt_classes: tf.Tensor
    gt_boxes: tf.Tensor
    gt_rows: tf.Tensor


def sample_rois(proposals: tf.Tensor, gt_boxes: tf.Tensor, gt_classes: tf.Tensor, noise: tf.Tensor) -> RoiSample:
    """Sample `SAMPLES` proposals of each image, at most `POSITIVES` of them objects.

    Args:
        proposals: float32 (B, P, 4), xyxy, input pixels, at least `SAMPLES`; rows without area do not count.
        gt_boxes: float32 (B, G, 4); rows of zeros do not count.
        gt_classes: int32 (B, G); IGNORED makes a box an ignore region.
        noise: float32 (B, P), in [0, 1): proposals with the highest values are sampled.
    """
    overlaps = pairwise_iou(proposals, gt_boxes)  # (B, P, G)
    ignored = (gt_classes == IGNORED)[:, None]  # (B, 1, G)
    at_ignore_region = tf.reduce_max(tf.where(ignored, overlaps, 0.0), axis=-1) >= IGNORE_IOU
    overlaps = tf.where(ignored, 0.0, overlaps)
    owner = tf.argmax(overlaps, axis=-1, output_type=tf.int32)
    is_box = tf.reduce_min(proposals[..., 2:] - proposals[..., :2], axis=-1) >= MIN_SIDE
    positive = (tf.reduce_max(overlaps, axis=-1) >= POSITIVE_FROM) & is_box
    # Sampled positives exceed the noise of the first one that is not.
    cut = tf.math.top_k(tf.where(positive, noise, -1.0), POSITIVES + 1).values[:, -1:]
    drawn = positive & (noise > cut)
    order = tf.where(drawn, noise + 1.0, tf.where(is_box & ~positive & ~at_ignore_region, noise, -1.0))
    rank, index = tf.math.top_k(order, min(SAMPLES, proposals.shape[1]))
    owner = tf.gather(owner, index, batch_dims=1)
    classes = tf.gather(gt_classes, owner, batch_dims=1)
    classes = tf.where(rank >= 1.0, classes, tf.where(rank >= 0.0, BACKGROUND, UNUSED))
    return RoiSample(
        tf.gather(proposals, index, batch_dims=1), classes, tf.gather(gt_boxes, owner, batch_dims=1), owner
    )
