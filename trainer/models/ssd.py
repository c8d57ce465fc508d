"""SSD on any backbone: depthwise separable heads on a light feature pyramid, strides 8 to 64.

The heads share their convolutions over the levels and have batch statistics of their own on each: with
few training images a level alone sees too few objects to learn its own filters.

References: SSD, https://arxiv.org/abs/1512.02325; SSDLite, https://arxiv.org/abs/1801.04381;
feature pyramid, https://arxiv.org/abs/1612.03144; shared heads with own statistics: RTMDet, section 3.2,
https://arxiv.org/abs/2212.07784.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from trainer import anchors
from trainer.assigner import assign_anchors
from trainer.box_coder import decode
from trainer.losses import detection_losses
from trainer.models.backbone import merge_levels
from trainer.models.batch_norm import BatchNormalization
from trainer.models.family import DetectorSpec
from trainer.models.network import Loss, Network

STRIDES = (8, 16, 32, 64)
CHANNELS = 96
TOWER_DEPTH = 2
# Score of every anchor before training: without it the many negatives swamp the first steps.
# Focal loss, section 3.3, https://arxiv.org/abs/1708.02002.
PRIOR = 0.01
# Keras's default 0.99 needs hundreds of steps to follow; a small dataset has not so many.
BATCH_NORM_MOMENTUM = 0.9


@dataclass(frozen=True)
class SsdNetwork(Network):
    """One stage: class scores and box offsets of each anchor at once.

    Its Keras model gives `[logits (B, A, K), deltas (B, A, 4)]`, float32.

    Attributes:
        anchors: float32 (A, 4), xyxy, input pixels.
        anchor_levels: int64 (A,): the feature level of each anchor, 0 is the finest.
    """

    anchors: np.ndarray
    anchor_levels: np.ndarray

    @property
    def target_spec(self) -> Mapping[str, tf.TensorSpec]:
        """The class of each anchor's box, NEGATIVE or IGNORED, and the box."""
        count = len(self.anchors)
        return {"gt_classes": tf.TensorSpec((count,), tf.int32), "gt_boxes": tf.TensorSpec((count, 4), tf.float32)}

    def targets(self, gt_boxes: np.ndarray, gt_classes: np.ndarray, _: np.random.Generator) -> dict[str, np.ndarray]:
        """See `Network.targets`; nothing is random."""
        assignment = assign_anchors(gt_boxes, gt_classes, self.anchors, self.anchor_levels)
        return {"gt_classes": assignment.class_ids, "gt_boxes": assignment.boxes}

    def losses(self, batch: Mapping[str, tf.Tensor]) -> dict[str, Loss]:
        """See `Network.losses`: `class_loss` and `box_loss`, both for each positive anchor."""
        logits, deltas = self.keras_model(batch["pixels"], training=True)
        boxes = decode(deltas, self.anchors)
        class_loss, box_loss = detection_losses(logits, boxes, batch["gt_classes"], batch["gt_boxes"])
        positives = tf.reduce_sum(tf.cast(batch["gt_classes"] >= 0, tf.float32))
        return {"class_loss": Loss(class_loss, positives), "box_loss": Loss(box_loss, positives)}

    def predict(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Network.predict`; N is the number of anchors."""
        logits, deltas = self.keras_model(pixels, training=False)
        return {"boxes": decode(deltas, self.anchors), "scores": keras.ops.sigmoid(logits)}


def build(spec: DetectorSpec) -> SsdNetwork:
    """Build the network."""
    levels = merge_levels(spec.features, CHANNELS)
    levels.append(layers.SeparableConv2D(CHANNELS, 3, 2, padding="same", name="coarsest")(levels[-1]))
    per_cell = len(spec.aspects)
    prior_logit = -math.log((1 - PRIOR) / PRIOR)
    logits = _head("class", levels, per_cell, spec.num_classes, keras.initializers.Constant(prior_logit))
    deltas = _head("box", levels, per_cell, 4, "zeros")
    boxes, box_levels = anchors.generate(spec.input_size, STRIDES, spec.aspects)
    return SsdNetwork(
        keras_model=keras.Model(spec.pixels, [logits, deltas], name="ssd"),
        backbone=spec.backbone,
        block_starts=spec.block_starts,
        input_size=spec.input_size,
        num_classes=spec.num_classes,
        class_layers=("class_predictor",),
        anchors=boxes,
        anchor_levels=box_levels,
    )


def _head(
    name: str,
    levels: Sequence[keras.KerasTensor],
    per_cell: int,
    values: int,
    bias_initializer: keras.initializers.Initializer | str,
) -> keras.KerasTensor:
    """Return predictions (B, A, values) of all levels, in the order of `anchors.generate`."""
    tower = [
        layers.SeparableConv2D(CHANNELS, 3, padding="same", use_bias=False, name=f"{name}_tower_{i}")
        for i in range(TOWER_DEPTH)
    ]
    predictor = layers.SeparableConv2D(
        per_cell * values,
        3,
        padding="same",
        pointwise_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=bias_initializer,
        name=f"{name}_predictor",
    )
    outputs = []
    for level, x in enumerate(levels):
        for i, convolution in enumerate(tower):
            x = convolution(x)
            x = BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm_{level}_{i}")(x)
            x = layers.ReLU(6.0, name=f"{name}_relu_{level}_{i}")(x)
        outputs.append(layers.Reshape((-1, values), name=f"{name}_flat_{level}")(predictor(x)))
    return layers.Concatenate(axis=1, name=name)(outputs)
