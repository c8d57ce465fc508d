"""YOLOX as a network to train: targets, losses and predictions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from trainer.assigner import IGNORED, NEGATIVE
from trainer.losses import iou_and_giou
from trainer.models.network import Loss, Network
from trainer.models.yolox import sim_ota
from trainer.models.yolox.architecture import STRIDES

# Boxes of one input that count; a mosaic of crowded images may have more, of which as many are drawn by lot.
MAX_BOXES = 300
BOX_WEIGHT = 5.0
# exp() of a wild value overflows; no cell of stride 8 needs to become wider than this.
MAX_LOG_SIDE = math.log(1000 / 8)


@dataclass(frozen=True)
class YoloxNetwork(Network):
    """One stage without anchors: each cell predicts one box.

    Its Keras model gives `[class logits (B, A, K), box values (B, A, 4), object logits (B, A, 1)]`, float32.

    Attributes:
        cells: float32 (A, 3): left upper corner of each cell, input pixels, and its stride.
    """

    cells: np.ndarray
    # That of the official evaluation.
    iou_threshold: ClassVar[float] = 0.65

    @property
    def target_spec(self) -> Mapping[str, tf.TensorSpec]:
        """Boxes and their classes, NEGATIVE or IGNORED."""
        return {
            "gt_classes": tf.TensorSpec((MAX_BOXES,), tf.int32),
            "gt_boxes": tf.TensorSpec((MAX_BOXES, 4), tf.float32),
        }

    def targets(self, gt_boxes: np.ndarray, gt_classes: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """See `Network.targets`."""
        return self._box_targets(gt_boxes, gt_classes, rng)[1]

    def _box_targets(
        self, gt_boxes: np.ndarray, gt_classes: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return which of the boxes count, and the targets that begin with them."""
        classes, boxes = np.full(MAX_BOXES, NEGATIVE, np.int32), np.zeros((MAX_BOXES, 4), np.float32)
        chosen = np.arange(len(gt_boxes))
        if len(chosen) > MAX_BOXES:
            chosen = rng.choice(chosen, MAX_BOXES, replace=False)
        classes[: len(chosen)], boxes[: len(chosen)] = gt_classes[chosen], gt_boxes[chosen]
        return chosen, {"gt_classes": classes, "gt_boxes": boxes}

    def losses(self, batch: Mapping[str, tf.Tensor]) -> dict[str, Loss]:
        """See `Network.losses`: `class_loss`, `box_loss` and `object_loss`, each for a matched cell."""
        return self._matched_losses(self.keras_model(batch["pixels"], training=True), batch)[1]

    def _matched_losses(
        self, outputs: Sequence[tf.Tensor], batch: Mapping[str, tf.Tensor]
    ) -> tuple[sim_ota.Matches, dict[str, Loss]]:
        """Match the cells to boxes; return the matches and the losses of the three outputs."""
        class_logits, values, object_logits = outputs
        boxes = self._decode(values)
        gt_classes, gt_boxes = batch["gt_classes"], batch["gt_boxes"]
        # Only as many as the fullest image of the batch has.
        count = tf.maximum(tf.reduce_max(tf.reduce_sum(tf.cast(gt_classes != NEGATIVE, tf.int32), -1)), 1)
        gt_classes, gt_boxes = gt_classes[:, :count], gt_boxes[:, :count]
        corners, strides = self.cells[:, :2], self.cells[:, 2]
        centres = corners + strides[:, None] / 2
        found = sim_ota.match(boxes, class_logits, object_logits, gt_boxes, gt_classes, centres, strides)
        positive = tf.cast(found.positive, tf.float32)
        positives = tf.reduce_sum(positive)
        target_boxes = tf.gather(gt_boxes, found.box, batch_dims=1)
        target_classes = tf.gather(gt_classes, found.box, batch_dims=1)
        iou, giou = iou_and_giou(boxes, target_boxes)
        # Of boxes apart the overlap has no gradient, and the only cell of an object would stay where it is for ever.
        box_loss = tf.reduce_sum(tf.where(found.positive, 1 - tf.where(iou > 0, tf.square(iou), giou), 0.0))
        # Section 2.4 of the paper: at the end of training the values themselves are compared as well.
        l1 = tf.reduce_sum(tf.abs(values - self._encode(target_boxes)), -1)
        l1_loss = batch["closing"] * tf.reduce_sum(tf.where(found.positive, l1, 0.0))
        soft = tf.one_hot(target_classes, self.num_classes) * found.iou[..., None]
        class_loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=soft, logits=class_logits)
        class_loss = tf.reduce_sum(tf.where(found.positive[..., None], class_loss, 0.0))
        object_loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=positive, logits=object_logits[..., 0])
        counts = found.positive | ~_in_ignore_region(gt_boxes, gt_classes, centres)
        object_loss = tf.reduce_sum(tf.where(counts, object_loss, 0.0))
        return found, {
            "class_loss": Loss(class_loss, positives),
            "box_loss": Loss(BOX_WEIGHT * box_loss + l1_loss, positives),
            "object_loss": Loss(object_loss, positives),
        }

    def predict(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Network.predict`; N is the number of cells."""
        return self._contract(self.keras_model(pixels, training=False))

    def _contract(self, outputs: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return boxes and scores of the three outputs."""
        class_logits, values, object_logits = outputs
        scores = keras.ops.sigmoid(class_logits) * keras.ops.sigmoid(object_logits)
        return {"boxes": self._decode(values), "scores": scores}

    def _decode(self, values: tf.Tensor) -> tf.Tensor:
        """Return boxes (B, A, 4), xyxy, input pixels."""
        left, top, stride = (self.cells[:, i] for i in range(3))
        x, y = values[..., 0] * stride + left, values[..., 1] * stride + top
        # The limit has a gradient: a side beyond it must be able to come back.
        sides = values[..., 2:]
        sides = sides - keras.ops.stop_gradient(keras.ops.maximum(sides - MAX_LOG_SIDE, 0.0))
        half_w, half_h = (0.5 * stride * keras.ops.exp(sides[..., i]) for i in range(2))
        return keras.ops.stack([x - half_w, y - half_h, x + half_w, y + half_h], axis=-1)

    def _encode(self, boxes: tf.Tensor) -> tf.Tensor:
        """Return the values (B, A, 4) that `_decode` turns into these boxes."""
        left, top, stride = (self.cells[:, i] for i in range(3))
        x1, y1, x2, y2 = (boxes[..., i] for i in range(4))
        x, y = ((x1 + x2) / 2 - left) / stride, ((y1 + y2) / 2 - top) / stride
        w, h = tf.maximum(x2 - x1, 1e-3) / stride, tf.maximum(y2 - y1, 1e-3) / stride
        return tf.stack([x, y, tf.math.log(w), tf.math.log(h)], axis=-1)


def make_cells(input_size: tuple[int, int]) -> np.ndarray:
    """Return the cells of all levels, float32 (A, 3); see `YoloxNetwork`."""
    levels = []
    for stride in STRIDES:
        xs, ys = np.arange(input_size[0] // stride) * stride, np.arange(input_size[1] // stride) * stride
        corners = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
        levels.append(np.concatenate([corners, np.full((len(corners), 1), stride)], axis=1))
    return np.concatenate(levels).astype(np.float32)


def _in_ignore_region(gt_boxes: tf.Tensor, gt_classes: tf.Tensor, centres: np.ndarray) -> tf.Tensor:
    """Return bool (B, A): whether the centre of a cell lies in an ignore region."""
    x1, y1, x2, y2 = (gt_boxes[..., i, None] for i in range(4))
    inside = (centres[:, 0] > x1) & (centres[:, 0] < x2) & (centres[:, 1] > y1) & (centres[:, 1] < y2)
    return tf.reduce_any(inside & (gt_classes == IGNORED)[..., None], axis=1)
