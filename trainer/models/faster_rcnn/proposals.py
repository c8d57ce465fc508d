"""Proposals: from the outputs of the first stage to the boxes for the second.

The suppression is written as matrix arithmetic over all images of a batch at once: TensorFlow's own operations for a
batch either have no rule for OpenVINO (CombinedNonMaxSuppression) or crash it (`tf.map_fn` around NonMaxSuppression).
"""

import keras
import numpy as np
import tensorflow as tf

from trainer.box_coder import decode

# Number of boxes before and after non-maximum suppression.
BEFORE_SUPPRESSION, AFTER_SUPPRESSION = 800, 200
# Faster R-CNN, section 3.3. Below, boxes beside each other may be two objects.
IOU_THRESHOLD = 0.7
# Thinner boxes, in input pixels, are dropped.
MIN_SIDE = 1.0
# Chains of boxes that suppress each other in turn are shorter in practice; an even number errs on the side of keeping.
ROUNDS = 8
# Below every logit: suppressed boxes still fill up the fixed number of proposals, after all others.
_LAST = 1e6


class Proposals(keras.layers.Layer):
    """The best boxes of the first stage after non-maximum suppression; anchors float32 (A, 4), xyxy, input pixels."""

    def __init__(self, anchors: np.ndarray, input_size: tuple[int, int], **options: object) -> None:
        super().__init__(trainable=False, dtype="float32", **options)
        self._anchors = anchors
        self._input_size = input_size
        self._before = min(BEFORE_SUPPRESSION, len(anchors))
        self.count = min(AFTER_SUPPRESSION, self._before)

    def call(self, objectness: tf.Tensor, deltas: tf.Tensor) -> tf.Tensor:
        """Return the proposals of each image from logits float32 (B, A) and deltas float32 (B, A, 4).

        They are float32 (B, N, 4), xyxy, input pixels, inside the input, best first; N is `count`.
        """
        # Logits and not scores: saturated scores tie, and engines break ties in different ways.
        logits, best = tf.math.top_k(objectness, self._before)
        boxes = gather_rows(clip(decode(deltas, self._anchors), self._input_size), best)
        thin = tf.reduce_min(boxes[..., 2:] - boxes[..., :2], axis=-1) < MIN_SIDE
        logits = tf.where(thin, logits - 2 * _LAST, tf.where(survivors(boxes), logits, logits - _LAST))
        _, chosen = tf.math.top_k(logits, self.count)
        return gather_rows(boxes, chosen)

    def compute_output_spec(self, objectness: keras.KerasTensor, deltas: keras.KerasTensor) -> keras.KerasTensor:
        """Return shape and dtype of the proposals."""
        return keras.KerasTensor((objectness.shape[0], self.count, 4), dtype="float32")


def gather_rows(rows: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Return the rows (B, N, C) at indices (B, N), int32, of rows (B, M, C), such as boxes.

    Each column by itself: OpenVINO 2026.4 gathers rows of four with a kernel that reads beyond its indices and
    crashes now and then.
    """
    return tf.stack([tf.gather(rows[..., i], index, batch_dims=1) for i in range(rows.shape[-1])], axis=-1)


def clip(boxes: tf.Tensor, input_size: tuple[int, int]) -> tf.Tensor:
    """Return boxes (..., 4) clipped to the input."""
    width, height = input_size
    x1, y1, x2, y2 = (boxes[..., i] for i in range(4))
    xs = [tf.clip_by_value(x, 0.0, float(width)) for x in (x1, x2)]
    ys = [tf.clip_by_value(y, 0.0, float(height)) for y in (y1, y2)]
    return tf.stack([xs[0], ys[0], xs[1], ys[1]], axis=-1)


def survivors(boxes: tf.Tensor, iou_threshold: float = IOU_THRESHOLD) -> tf.Tensor:
    """Return which boxes, float32 (B, M, 4), xyxy, best first, a greedy suppression keeps: bool (B, M).

    A box survives if no better box that survives overlaps it by more than the threshold. Starting from "all survive",
    each round applies this rule to the result of the round before; after n rounds everything is right that hangs on
    chains of at most n boxes. Reference: Cluster-NMS, section 3.2, https://arxiv.org/abs/2005.03572.
    """
    better = np.triu(np.ones((boxes.shape[1], boxes.shape[1]), np.float32), k=1)  # [j, i]: j comes before i
    threat = tf.cast(pairwise_iou(boxes, boxes) > iou_threshold, tf.float32) * better
    alive = tf.ones_like(boxes[:, :1, 0])[..., None] * tf.ones((1, 1, boxes.shape[1]))  # (B, 1, M)
    for _ in range(ROUNDS):
        alive = tf.cast(tf.matmul(alive, threat) < 0.5, tf.float32)
    return alive[:, 0, :] > 0.5


def pairwise_iou(boxes_a: tf.Tensor, boxes_b: tf.Tensor) -> tf.Tensor:
    """Return the IoU of all pairs: (B, M, 4) and (B, N, 4) to float32 (B, M, N); 0 with an empty box."""
    ax1, ay1, ax2, ay2 = (boxes_a[:, :, None, i] for i in range(4))
    bx1, by1, bx2, by2 = (boxes_b[:, None, :, i] for i in range(4))
    width = tf.maximum(tf.minimum(ax2, bx2) - tf.maximum(ax1, bx1), 0.0)
    height = tf.maximum(tf.minimum(ay2, by2) - tf.maximum(ay1, by1), 0.0)
    intersection = width * height
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - intersection
    return intersection / tf.maximum(union, 1e-6)
