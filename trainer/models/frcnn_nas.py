"""Faster R-CNN on NASNet-A (large): 85 million weights, the slowest of all. Reference: https://arxiv.org/abs/1707.07012."""

from collections.abc import Sequence
from dataclasses import replace

import keras

from trainer.models import faster_rcnn
from trainer.models.backbone import Backbone
from trainer.models.batch_norm import with_fused_batch_norm
from trainer.models.network import Network

NAME = "frcnn-nas"
DEFAULTS = replace(faster_rcnn.DEFAULTS, batch_size=2)
# GB. Training took 5.5 GB of memory with one image of 320x320 in a step and 6.1 GB with two (on a CPU, TensorFlow
# itself included): eight images, and the room that a GPU's convolutions work in, fit into 12.
GPU_MEMORY = 12.0
# Last cell of each stride.
TAPS = ("normal_concat_5", "normal_concat_12", "normal_concat_18")
# Where the cells end: the two of the stem, then three times six normal ones, the second and third six after a
# reduction.
BLOCK_ENDS = (
    "stem_bn1",
    "reduction_concat_stem_1",
    "reduction_concat_stem_2",
    *(f"normal_concat_{number}" for number in range(6)),
    "reduction_concat_reduce_6",
    *(f"normal_concat_{number}" for number in range(7, 13)),
    "reduction_concat_reduce_12",
    *(f"normal_concat_{number}" for number in range(13, 18)),
)


def build(*, num_classes: int, input_size: tuple[int, int], aspects: Sequence[float], backbone: keras.Model) -> Network:
    """Build the network on a backbone from `build_backbone`; the rest as in `faster_rcnn.build`."""
    return faster_rcnn.build(
        num_classes=num_classes,
        input_size=input_size,
        aspects=aspects,
        backbone=backbone,
        taps=TAPS,
        block_starts=faster_rcnn.starts_after(backbone, BLOCK_ENDS),
        preprocess=keras.layers.Rescaling(1 / 127.5, offset=-1, name="preprocess"),
    )


def build_backbone(*, input_size: tuple[int, int], alpha: float) -> keras.Model:
    """NASNet-A (6 @ 4032) with random weights; there is one width, so `alpha` is 1."""
    original = keras.applications.NASNetLarge(
        input_shape=(input_size[1], input_size[0], 3), include_top=False, weights=None
    )
    return with_fused_batch_norm(original)


def _imagenet(_: float) -> keras.Model:
    return keras.applications.NASNetLarge(include_top=False, weights="imagenet")


BACKBONE = Backbone(
    name="NASNetLarge",
    alpha=1.0,
    alpha_from_scratch=1.0,
    alpha_by_kernel={(4032, 672): 1.0},  # what the last cell makes of the one before
    pretrained={"imagenet": _imagenet},
    file="NASNet-large-no-top.h5",
    gpu_memory=GPU_MEMORY,
)
