"""The two stages as one network: layers, targets and losses.

Losses are cross-entropy for sampled anchors and proposals, GIoU for boxes of objects. Each class of the second stage
has a sigmoid of its own, no softmax: weights of an earlier run can then be transferred class by class.
References: Faster R-CNN, section 3.1.2; Generalized IoU, https://arxiv.org/abs/1902.09630.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from trainer.assigner import IGNORED
from trainer.box_coder import decode
from trainer.losses import BOX_WEIGHT, iou_and_giou
from trainer.models.faster_rcnn import sampling, targets
from trainer.models.faster_rcnn.proposals import Proposals
from trainer.models.faster_rcnn.roi_align import RoiAlign
from trainer.models.network import Loss, Network


@dataclass(frozen=True)
class FasterRcnnNetwork(Network):
    """Two stages: proposals, then their classes and final boxes.

    Its Keras model gives `[proposals (B, N, 4), logits (B, N, K), deltas (B, N, 4)]`, float32. A proposal has one box
    for all classes.

    Attributes:
        first_stage: Pixels to `[features (B, h, w, C), objectness (B, A), deltas (B, A, 4)]`.
        propose: Objectness and deltas to proposals.
        align: Features and boxes to the features inside the boxes.
        second_stage: These to `[logits (B, N, K), deltas (B, N, 4)]`.
        anchors: float32 (A, 4), xyxy, input pixels.
        anchor_levels: int64 (A,): the feature level of each anchor, 0 is the finest.
    """

    first_stage: keras.Model
    propose: Proposals
    align: RoiAlign
    second_stage: keras.Model
    anchors: np.ndarray
    anchor_levels: np.ndarray

    @property
    def target_spec(self) -> Mapping[str, tf.TensorSpec]:
        """Objects, proposals made of them, sampled anchors, and noise for sampling proposals."""
        drawn = targets.SAMPLES
        return {
            "gt_boxes": tf.TensorSpec((targets.MAX_OBJECTS, 4), tf.float32),
            "gt_classes": tf.TensorSpec((targets.MAX_OBJECTS,), tf.int32),
            "gt_proposals": tf.TensorSpec((targets.GT_PROPOSALS, 4), tf.float32),
            "anchor_index": tf.TensorSpec((drawn,), tf.int32),
            "anchor_state": tf.TensorSpec((drawn,), tf.int32),
            "anchor_boxes": tf.TensorSpec((drawn, 4), tf.float32),
            "noise": tf.TensorSpec((self.propose.count + targets.GT_PROPOSALS,), tf.float32),
        }

    def targets(self, gt_boxes: np.ndarray, gt_classes: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """See `Network.targets`."""
        return self._box_targets(gt_boxes, gt_classes, rng)[1]

    def _box_targets(
        self, gt_boxes: np.ndarray, gt_classes: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return which objects count, and the targets; the first of `gt_boxes` there are those of these objects."""
        drawn = targets.sample_anchors(gt_boxes, gt_classes, self.anchors, self.anchor_levels, rng)
        chosen = targets.choose_objects(len(gt_boxes), rng)
        boxes, classes = targets.pad_ground_truth(gt_boxes[chosen], gt_classes[chosen])
        return chosen, {
            "gt_boxes": boxes,
            "gt_classes": classes,
            "gt_proposals": targets.make_gt_proposals(gt_boxes[gt_classes != IGNORED], self.input_size, rng),
            "anchor_index": drawn.index,
            "anchor_state": drawn.state,
            "anchor_boxes": drawn.boxes,
            "noise": rng.random(self.propose.count + targets.GT_PROPOSALS, np.float32),
        }

    def losses(self, batch: Mapping[str, tf.Tensor]) -> dict[str, Loss]:
        """See `Network.losses`: class and box of the proposals, then of the second stage.

        Class losses are means over all samples, box losses over those that are objects.
        """
        return self._box_losses(batch)[2]

    def _box_losses(self, batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, sampling.RoiSample, dict[str, Loss]]:
        """Return the finest features, what the second stage learns from, and the losses."""
        features, objectness, deltas = self.first_stage(batch["pixels"], training=True)
        # Proposals are constants for the second stage: its losses do not train the first.
        proposals = self.propose(tf.stop_gradient(objectness), tf.stop_gradient(deltas))
        candidates = tf.concat([proposals, batch["gt_proposals"]], axis=1)
        rois = sampling.sample_rois(candidates, batch["gt_boxes"], batch["gt_classes"], batch["noise"])
        logits, roi_deltas = self.second_stage(self.align(features, rois.boxes), training=True)
        index = batch["anchor_index"]
        anchor_deltas = tf.gather(deltas, index, batch_dims=1)
        losses = {
            **proposal_losses(
                tf.gather(objectness, index, batch_dims=1),
                decode(anchor_deltas, tf.gather(tf.constant(self.anchors), index)),
                batch["anchor_state"],
                batch["anchor_boxes"],
            ),
            **roi_losses(logits, decode(roi_deltas, rois.boxes), rois),
        }
        return features, rois, losses

    def predict(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Network.predict`; N is the number of proposals."""
        proposals, logits, deltas = self.keras_model(pixels, training=False)
        return {"boxes": decode(deltas, proposals), "scores": keras.ops.sigmoid(logits)}


def proposal_losses(objectness: tf.Tensor, boxes: tf.Tensor, state: tf.Tensor, gt_boxes: tf.Tensor) -> dict[str, Loss]:
    """Return the losses of the first stage, for S sampled anchors (see `targets.AnchorSample`).

    Args:
        objectness: float32 (B, S): logits.
        boxes: float32 (B, S, 4): decoded, input pixels.
        state: int32 (B, S).
        gt_boxes: float32 (B, S, 4): of the positive ones.
    """
    positive = state == targets.POSITIVE
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(positive, tf.float32), logits=objectness)
    return {
        "proposal_class_loss": _loss(entropy, state != targets.UNUSED),
        "proposal_box_loss": _loss(_distance(boxes, gt_boxes), positive),
    }


def roi_losses(logits: tf.Tensor, boxes: tf.Tensor, rois: sampling.RoiSample) -> dict[str, Loss]:
    """Return the losses of the second stage: logits float32 (B, S, K), final boxes float32 (B, S, 4), input pixels."""
    # Of negative classes one_hot makes a row of zeros.
    truth = tf.one_hot(rois.gt_classes, logits.shape[-1])
    entropy = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=truth, logits=logits), axis=-1)
    return {
        "class_loss": _loss(entropy, rois.gt_classes != sampling.UNUSED),
        "box_loss": _loss(BOX_WEIGHT * _distance(boxes, rois.gt_boxes), rois.gt_classes >= 0),
    }


def _distance(boxes: tf.Tensor, gt_boxes: tf.Tensor) -> tf.Tensor:
    return 1.0 - iou_and_giou(boxes, gt_boxes)[1]


def _loss(values: tf.Tensor, counted: tf.Tensor) -> Loss:
    # A wild box may have no finite distance where it does not count: select, do not multiply.
    return Loss(tf.reduce_sum(tf.where(counted, values, 0.0)), tf.reduce_sum(tf.cast(counted, tf.float32)))
