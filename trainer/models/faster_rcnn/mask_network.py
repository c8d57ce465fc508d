"""Mask R-CNN: the two stages, and a mask of each of the best boxes.

Reference: https://arxiv.org/abs/1703.06870. Masks are learnt from the sampled proposals that are matched to an object
with a mask, each by binary cross-entropy on the mask of the object's class: classes do not compete for a pixel.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from runtime.manifest import MaskHead, MaskKind
from trainer.models.faster_rcnn import mask_targets, targets
from trainer.models.faster_rcnn.network import FasterRcnnNetwork
from trainer.models.faster_rcnn.roi_align import RoiAlign
from trainer.models.faster_rcnn.sampling import POSITIVES, RoiSample
from trainer.models.network import Loss
from trainer.placed_masks import PlacedMasks


@dataclass(frozen=True)
class MaskRcnnNetwork(FasterRcnnNetwork):
    """Two stages with masks.

    Its Keras model gives `[boxes (B, M, 4), logits (B, M, K), mask logits (B, M, m, m, K)]`, float32, of the best boxes
    (`best_boxes`).

    Attributes:
        mask_align: Features and boxes to the features inside the boxes, in a finer grid than `align`.
        mask_stage: These, box by box, to mask logits (R, m, m, K).
    """

    mask_align: RoiAlign
    mask_stage: keras.Model

    @property
    def mask_head(self) -> MaskHead | None:
        """See `Network.mask_head`."""
        return MaskHead(MaskKind.BOX_MASKS)

    @property
    def target_spec(self) -> Mapping[str, tf.TensorSpec]:
        """As in `FasterRcnnNetwork`; masks, and which of them each object has."""
        return {
            **super().target_spec,
            "gt_masks": tf.TensorSpec((mask_targets.MAX_MASKS, mask_targets.SIDE, mask_targets.SIDE), tf.uint8),
            "gt_mask_rows": tf.TensorSpec((targets.MAX_OBJECTS,), tf.int32),
        }

    def targets(self, gt_boxes: np.ndarray, gt_classes: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """See `Network.targets`: of boxes without masks."""
        return self.targets_with_masks(gt_boxes, gt_classes, (), rng)

    def targets_with_masks(
        self, gt_boxes: np.ndarray, gt_classes: np.ndarray, gt_masks: PlacedMasks, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """See `Network.targets_with_masks`."""
        chosen, made = self._box_targets(gt_boxes, gt_classes, rng)
        masks = tuple(gt_masks[index] for index in chosen) if gt_masks else ()
        objects = np.flatnonzero(made["gt_classes"][: len(chosen)] >= 0).tolist()
        cells, rows = mask_targets.draw_masks(masks, made["gt_boxes"], objects, targets.MAX_OBJECTS, rng)
        return {**made, "gt_masks": cells, "gt_mask_rows": rows}

    def losses(self, batch: Mapping[str, tf.Tensor]) -> dict[str, Loss]:
        """See `Network.losses`: those of `FasterRcnnNetwork`, and `mask_loss` for a proposal that is learnt from."""
        features, rois, losses = self._box_losses(batch)
        return {**losses, "mask_loss": self._mask_loss(features, rois, batch)}

    def predict(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Network.predict`; N is the number of the best boxes."""
        boxes, logits, mask_logits = self.keras_model(pixels, training=False)
        best = tf.one_hot(tf.argmax(logits, axis=-1), self.num_classes)
        masks = tf.reduce_sum(mask_logits * best[:, :, None, None], axis=-1)
        return {"boxes": boxes, "scores": keras.ops.sigmoid(logits), "masks": keras.ops.sigmoid(masks)}

    def _mask_loss(self, features: tf.Tensor, rois: RoiSample, batch: Mapping[str, tf.Tensor]) -> Loss:
        """Return the loss of those sampled proposals whose objects have masks."""
        # Objects come first; the rest is never looked at.
        boxes, classes, gt_boxes, objects = (part[:, :POSITIVES] for part in rois)
        rows = tf.gather(batch["gt_mask_rows"], objects, batch_dims=1)
        counted = tf.reshape((classes >= 0) & (rows > mask_targets.NO_MASK), (-1,))
        crops = tf.reshape(self.mask_align(features, boxes), (-1, *self.mask_stage.input_shape[1:]))
        logits = self.mask_stage(crops, training=True)
        masks = tf.gather(batch["gt_masks"], tf.maximum(rows, 0), batch_dims=1)
        wanted = mask_targets.crop_masks(
            tf.reshape(masks, (-1, *masks.shape[2:])), tf.reshape(gt_boxes, (-1, 4)), tf.reshape(boxes, (-1, 4))
        )
        losses = mask_losses(logits, tf.reshape(classes, (-1,)), wanted)
        return Loss(tf.reduce_sum(tf.where(counted, losses, 0.0)), tf.reduce_sum(tf.cast(counted, tf.float32)))


def mask_losses(logits: tf.Tensor, classes: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Return the mean binary cross-entropy of each mask, float32 (R,).

    Args:
        logits: float32 (R, m, m, K): those of other classes do not matter.
        classes: int32 (R,).
        wanted: float32 (R, m, m): 1 for the object, else 0.
    """
    of_class = tf.reduce_sum(logits * tf.one_hot(classes, logits.shape[-1])[:, None, None], axis=-1)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=of_class), axis=[1, 2])
