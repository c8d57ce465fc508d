"""Builds networks of YOLOX, with masks or without."""

import math

import keras

from runtime.manifest import MaskKind
from trainer.models.family import DetectorSpec
from trainer.models.yolox import architecture
from trainer.models.yolox.architecture import YoloxSize
from trainer.models.yolox.mask_head import YoloxMaskHead
from trainer.models.yolox.mask_network import YoloxMaskNetwork
from trainer.models.yolox.network import YoloxNetwork, make_cells

PRIOR = 0.01


def build(size: YoloxSize, spec: DetectorSpec, mask_kind: MaskKind | None = None) -> YoloxNetwork:
    """Build the network; it has no anchors, so that the aspects of `spec` do not matter.

    `mask_kind` is how it makes masks, `PROTOTYPES` or `KERNELS`; None for a network that learns boxes only.
    """
    head = None if mask_kind is None else YoloxMaskHead(mask_kind)
    prior_logit = -math.log((1 - PRIOR) / PRIOR)
    outputs = architecture.build_detector(size, spec.features, spec.num_classes, prior_logit, head)
    parts = {
        "keras_model": keras.Model(spec.pixels, outputs, name="yolox"),
        "backbone": spec.backbone,
        "block_starts": spec.block_starts,
        "input_size": spec.input_size,
        "num_classes": spec.num_classes,
        "class_layers": architecture.CLASS_LAYERS,
        "cells": make_cells(spec.input_size),
    }
    return YoloxNetwork(**parts) if head is None else YoloxMaskNetwork(**parts, head=head)
