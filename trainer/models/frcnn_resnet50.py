"""Faster R-CNN on ResNet50: the smallest of the two-stage detectors and the first to try."""

from collections.abc import Sequence

import keras

from trainer.models import faster_rcnn, resnet
from trainer.models.backbone import Backbone
from trainer.models.network import Network

NAME = "frcnn-resnet50"
DEFAULTS = faster_rcnn.DEFAULTS
# Residual blocks of the stages with strides 4, 8, 16 and 32.
BLOCKS = (3, 4, 6, 3)


def build(*, num_classes: int, input_size: tuple[int, int], aspects: Sequence[float], backbone: keras.Model) -> Network:
    """Build the network on a backbone from `build_backbone`; the rest as in `faster_rcnn.build`."""
    return faster_rcnn.build(
        num_classes=num_classes,
        input_size=input_size,
        aspects=aspects,
        backbone=backbone,
        taps=resnet.taps(BLOCKS),
        block_starts=resnet.block_starts(BLOCKS),
        preprocess=resnet.CaffePixels(name="preprocess"),
    )


def build_backbone(*, input_size: tuple[int, int], alpha: float) -> keras.Model:
    """ResNet50 with random weights; there is one width, so `alpha` is 1."""
    return resnet.build(keras.applications.ResNet50, input_size)


def _imagenet(_: float) -> keras.Model:
    return keras.applications.ResNet50(include_top=False, weights="imagenet")


BACKBONE = Backbone(
    name="ResNet50",
    alpha=1.0,
    alpha_from_scratch=1.0,
    alpha_by_kernel={(512, 2048): 1.0},  # conv5_block3_3_conv
    pretrained={"imagenet": _imagenet},
    file="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
)
