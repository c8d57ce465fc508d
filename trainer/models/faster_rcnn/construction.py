"""Builds networks of two stages, with masks or without."""

from typing import Any

import keras

from trainer import anchors
from trainer.models.family import DetectorSpec
from trainer.models.faster_rcnn import stages
from trainer.models.faster_rcnn.best_boxes import BestBoxes
from trainer.models.faster_rcnn.mask_network import MaskRcnnNetwork
from trainer.models.faster_rcnn.network import FasterRcnnNetwork
from trainer.models.faster_rcnn.proposals import Proposals
from trainer.models.faster_rcnn.roi_align import RoiAlign

STRIDES = (8, 16, 32, 64)


def build(spec: DetectorSpec) -> FasterRcnnNetwork:
    """Build Faster R-CNN."""
    parts, _, outputs = _two_stages(spec)
    return FasterRcnnNetwork(
        keras_model=keras.Model(spec.pixels, outputs, name="faster_rcnn"), class_layers=("class_predictor",), **parts
    )


def build_with_masks(spec: DetectorSpec) -> MaskRcnnNetwork:
    """Build Mask R-CNN."""
    parts, features, outputs = _two_stages(spec)
    proposals, logits, deltas = outputs
    boxes, best_logits = BestBoxes(spec.input_size, parts["propose"].count, name="best_boxes")(
        proposals, logits, deltas
    )
    # As the reference says, more points in a bin than one do not help; they would take four times the memory.
    align = RoiAlign(STRIDES[0], bins=stages.MASK_BINS, points=1, name="mask_roi_align")
    bins = (stages.MASK_BINS, stages.MASK_BINS, features.shape[-1])
    crops = keras.ops.reshape(align(features, boxes), (-1, *bins))
    of_boxes = stages.mask_stage(crops, spec.num_classes)
    mask_logits = keras.ops.reshape(of_boxes, (-1, boxes.shape[1], *of_boxes.shape[1:]))
    return MaskRcnnNetwork(
        keras_model=keras.Model(spec.pixels, [boxes, best_logits, mask_logits], name="mask_rcnn"),
        class_layers=("class_predictor", "mask_predictor"),
        mask_align=align,
        mask_stage=keras.Model(crops, of_boxes, name="mask_stage"),
        **parts,
    )


def _two_stages(spec: DetectorSpec) -> tuple[dict[str, Any], keras.KerasTensor, list[keras.KerasTensor]]:
    """Return what both networks are made of, the finest features, and `[proposals, logits, deltas]`."""
    levels = stages.pyramid(spec.features)
    objectness, deltas = stages.first_stage(levels, len(spec.aspects))
    boxes, box_levels = anchors.generate(spec.input_size, STRIDES, spec.aspects)
    propose = Proposals(boxes, spec.input_size, name="proposals")
    proposals = propose(objectness, deltas)
    align = RoiAlign(STRIDES[0], name="roi_align")
    crops = align(levels[0], proposals)
    outputs = stages.second_stage(crops, spec.num_classes)
    parts = {
        "backbone": spec.backbone,
        "block_starts": spec.block_starts,
        "input_size": spec.input_size,
        "num_classes": spec.num_classes,
        "first_stage": keras.Model(spec.pixels, [levels[0], objectness, deltas], name="first_stage"),
        "propose": propose,
        "align": align,
        "second_stage": keras.Model(crops, outputs, name="second_stage"),
        "anchors": boxes,
        "anchor_levels": box_levels,
    }
    return parts, levels[0], [proposals, *outputs]
