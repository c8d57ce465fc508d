"""SSD on MobileNetV2, which also learns from random weights. Reference: https://arxiv.org/abs/1801.04381."""

import keras

from trainer.arguments.defaults import Defaults
from trainer.models import ssd
from trainer.models.backbone import Backbone
from trainer.models.batch_norm import with_fused_batch_norm
from trainer.models.family import ModelFamily


def _build(input_size: tuple[int, int], alpha: float) -> keras.Model:
    shape = (input_size[1], input_size[0], 3)
    return with_fused_batch_norm(
        keras.applications.MobileNetV2(input_shape=shape, alpha=alpha, include_top=False, weights=None)
    )


def _imagenet(alpha: float) -> keras.Model:
    return keras.applications.MobileNetV2((224, 224, 3), alpha=alpha, include_top=False, weights="imagenet")


BACKBONE = Backbone(
    name="MobileNetV2",
    build=_build,
    # The first two lie inside an inverted residual, where it is widest.
    taps=("block_6_expand_relu", "block_13_expand_relu", "out_relu"),
    # The stem and the first bottleneck, the sixteen others, and the last convolution.
    block_starts=("Conv1", *(f"block_{number}_expand" for number in range(1, 17)), "Conv_1"),
    alpha_from_scratch=0.35,
    # block_16_project: 6 · 160 · alpha and 320 · alpha, in steps of 8.
    alpha_by_kernel={
        (336, 112): 0.35,
        (480, 160): 0.5,
        (720, 240): 0.75,
        (960, 320): 1.0,
        (1248, 416): 1.3,
        (1344, 448): 1.4,
    },
    pretrained={"imagenet": _imagenet},
    file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5",
)
FAMILIES = (
    ModelFamily(
        name="ssd-mobilenet-v2",
        when_to_choose="fast on a CPU, with random weights too; alpha makes it smaller",
        backbone=BACKBONE,
        detector=ssd.build,
        defaults=Defaults(),
    ),
)
