"""Faster R-CNN on NASNet-A (large): 85 million weights, the slowest of all. Reference: https://arxiv.org/abs/1707.07012."""

from dataclasses import replace

from trainer.models import faster_rcnn
from trainer.models.backbone import application_backbone
from trainer.models.family import ModelFamily

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


BACKBONE = application_backbone(
    "NASNetLarge",
    taps=("normal_concat_5", "normal_concat_12", "normal_concat_18"),
    block_ends=BLOCK_ENDS,
    alpha_by_kernel={(4032, 672): 1.0},  # from the cell before the last one into the last one
    file="NASNet-large-no-top.h5",
    # Training took 5.5 GB of memory with one image of 320x320 in a step and 6.1 GB with two (on a CPU, TensorFlow
    # itself included): eight images, and the workspace of a GPU's convolutions, fit into 12.
    gpu_memory=12.0,
)
FAMILIES = (
    ModelFamily(
        name="frcnn-nas",
        when_to_choose="several thousand images and two or more large GPUs",
        backbone=BACKBONE,
        detector=faster_rcnn.build,
        defaults=replace(faster_rcnn.DEFAULTS, batch_size=2),
    ),
)
