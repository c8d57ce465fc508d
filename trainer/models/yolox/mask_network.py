"""YOLOX that learns masks beside boxes.

Masks are learnt of cells that are matched to a box with a mask, near this box only, as in YOLACT. Memory is bounded: of
each image only so many masks and so many cells count in a step, drawn at random.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from runtime.manifest import MaskHead
from trainer.assigner import NEGATIVE
from trainer.models.network import Loss
from trainer.models.yolox import sim_ota
from trainer.models.yolox.mask_head import STRIDE, YoloxMaskHead, centres
from trainer.models.yolox.network import MAX_BOXES, YoloxNetwork
from trainer.placed_masks import PlacedMasks, instance_masks

# Of one input and step.
MAX_MASKS = 64
MAX_CELLS = 32
MASK_WEIGHT = 2.0
# Input pixels beside the ground-truth box that count: predicted boxes are a little larger, and interpolation to image
# pixels reaches there.
MARGIN = STRIDE
NO_MASK = -1


@dataclass(frozen=True)
class YoloxMaskNetwork(YoloxNetwork):
    """One stage without anchors, with masks.

    Its Keras model gives, behind the outputs of `YoloxNetwork`, what each cell predicts for its mask, float32
    (B, A, values), and the map, float32 (B, h, w, channels), in cells of `STRIDE` input pixels.
    """

    head: YoloxMaskHead

    @property
    def mask_head(self) -> MaskHead | None:
        """See `Network.mask_head`."""
        return self.head.manifest

    @property
    def target_spec(self) -> Mapping[str, tf.TensorSpec]:
        """Boxes as in `YoloxNetwork`; masks, which of them each box has; and a number for each cell to draw by."""
        height, width = self._map_size
        return {
            **super().target_spec,
            "gt_masks": tf.TensorSpec((MAX_MASKS, height, width), tf.uint8),
            "gt_mask_rows": tf.TensorSpec((MAX_BOXES,), tf.int32),
            "mask_lots": tf.TensorSpec((len(self.cells),), tf.float32),
        }

    def targets(self, gt_boxes: np.ndarray, gt_classes: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """See `Network.targets`: of boxes without masks."""
        return self.targets_with_masks(gt_boxes, gt_classes, (), rng)

    def targets_with_masks(
        self, gt_boxes: np.ndarray, gt_classes: np.ndarray, gt_masks: PlacedMasks, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """See `Network.targets_with_masks`."""
        chosen, targets = self._box_targets(gt_boxes, gt_classes, rng)
        masks, rows = np.zeros((MAX_MASKS, *self._map_size), np.uint8), np.full(MAX_BOXES, NO_MASK, np.int32)
        is_object = targets["gt_classes"][: len(chosen)] > NEGATIVE
        of_chosen = tuple(gt_masks[index] for index in chosen) if gt_masks else ()  # of thousands only these are drawn
        rendered = instance_masks(of_chosen, len(chosen), self.input_size, STRIDE)
        with_mask = np.flatnonzero(rendered.known & is_object)
        if len(with_mask) > MAX_MASKS:
            with_mask = rng.choice(with_mask, MAX_MASKS, replace=False)
        rows[with_mask] = np.arange(len(with_mask))
        masks[: len(with_mask)] = rendered.cells[with_mask]
        lots = rng.random(len(self.cells), np.float32)
        return {**targets, "gt_masks": masks, "gt_mask_rows": rows, "mask_lots": lots}

    def losses(self, batch: Mapping[str, tf.Tensor]) -> dict[str, Loss]:
        """See `Network.losses`: those of `YoloxNetwork`, and `mask_loss` for a cell that is drawn."""
        *outputs, values, feature_map = self.keras_model(batch["pixels"], training=True)
        found, losses = self._matched_losses(outputs, batch)
        return {**losses, "mask_loss": self._mask_loss(values, feature_map, found, batch)}

    def predict(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Network.predict`; N is the number of cells."""
        *outputs, values, feature_map = self.keras_model(pixels, training=False)
        return {**self._contract(outputs), **self.head.outputs(values, feature_map, tf.constant(self.cells))}

    @property
    def _map_size(self) -> tuple[int, int]:
        """Height and width of the map."""
        width, height = self.input_size
        return height // STRIDE, width // STRIDE

    def _mask_loss(
        self, values: tf.Tensor, feature_map: tf.Tensor, found: sim_ota.Matches, batch: Mapping[str, tf.Tensor]
    ) -> Loss:
        """Return binary cross-entropy and dice loss of the masks of drawn cells, each of one mask."""
        rows = tf.gather(batch["gt_mask_rows"], found.box, batch_dims=1)  # (B, A)
        able = found.positive & (rows > NO_MASK)
        lots, cells = tf.math.top_k(tf.where(able, batch["mask_lots"], -1.0), min(MAX_CELLS, len(self.cells)))
        drawn = tf.cast(lots >= 0, tf.float32)  # (B, M)
        of_cells = (tf.gather(tensor, cells, batch_dims=1) for tensor in (values, rows, found.box))
        values, rows, boxes = of_cells
        logits = self.head.logits(values, feature_map, tf.gather(self.cells, cells))
        masks = tf.reshape(batch["gt_masks"], (-1, MAX_MASKS, logits.shape[-1]))
        wanted = tf.cast(tf.gather(masks, tf.maximum(rows, 0), batch_dims=1), tf.float32)
        near = _near(tf.gather(batch["gt_boxes"], boxes, batch_dims=1), *self._map_size)
        total = tf.reduce_sum(drawn * mask_losses(logits, wanted, near))
        return Loss(MASK_WEIGHT * total, tf.reduce_sum(drawn))


def mask_losses(logits: tf.Tensor, wanted: tf.Tensor, near: tf.Tensor) -> tf.Tensor:
    """Return for each mask the mean binary cross-entropy plus the dice loss, float32 (B, M).

    Args:
        logits: float32 (B, M, P), of P places.
        wanted: float32 (B, M, P), 0 or 1.
        near: float32 (B, M, P): 1 where a place counts, else 0.

    The dice loss is that of V-Net, https://arxiv.org/abs/1606.04797, as CondInst and RTMDet-Ins have it.
    """
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits)
    entropy = tf.reduce_sum(near * entropy, -1) / tf.maximum(tf.reduce_sum(near, -1), 1.0)
    probable, wanted = near * tf.sigmoid(logits), near * wanted
    both = tf.reduce_sum(probable * wanted, -1)
    either = tf.reduce_sum(tf.square(probable), -1) + tf.reduce_sum(wanted, -1)
    return entropy + 1 - 2 * both / (either + 1e-5)


def _near(boxes: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Return float32 (B, M, height * width): 1 for the cells of the map that a box (B, M, 4) or its margin touches."""
    x, y = tf.unstack(centres(height, width), axis=-1)
    x1, y1, x2, y2 = (boxes[..., i, None] for i in range(4))
    reach = MARGIN + STRIDE / 2
    return tf.cast((x > x1 - reach) & (x < x2 + reach) & (y > y1 - reach) & (y < y2 + reach), tf.float32)
