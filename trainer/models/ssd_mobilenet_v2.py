"""SSD on MobileNetV2, the recommended default. Reference: https://arxiv.org/abs/1801.04381."""

from collections.abc import Sequence

import keras

from trainer.arguments.defaults import Defaults
from trainer.models import ssd
from trainer.models.backbone import Backbone
from trainer.models.batch_norm import with_fused_batch_norm
from trainer.models.network import Network

NAME = "ssd-mobilenet-v2"
# Last feature map of each stride; the first two lie inside an inverted residual, where it is widest.
TAPS = ("block_6_expand_relu", "block_13_expand_relu", "out_relu")
# The stem and the first bottleneck, the sixteen others, and the last convolution.
BLOCK_STARTS = ("Conv1", *(f"block_{number}_expand" for number in range(1, 17)), "Conv_1")
DEFAULTS = Defaults()


def build(*, num_classes: int, input_size: tuple[int, int], aspects: Sequence[float], backbone: keras.Model) -> Network:
    """Build the network on a backbone from `build_backbone`; the rest as in `ssd.build`."""
    return ssd.build(
        num_classes=num_classes,
        input_size=input_size,
        aspects=aspects,
        backbone=backbone,
        taps=TAPS,
        block_starts=BLOCK_STARTS,
        preprocess=keras.layers.Rescaling(1 / 127.5, offset=-1, name="preprocess"),
    )


def build_backbone(*, input_size: tuple[int, int], alpha: float) -> keras.Model:
    """MobileNetV2 with random weights, `alpha` times as wide as the original."""
    backbone = keras.applications.MobileNetV2(
        input_shape=(input_size[1], input_size[0], 3), alpha=alpha, include_top=False, weights=None
    )
    return with_fused_batch_norm(backbone)


def _imagenet(alpha: float) -> keras.Model:
    return keras.applications.MobileNetV2((224, 224, 3), alpha=alpha, include_top=False, weights="imagenet")


BACKBONE = Backbone(
    name="MobileNetV2",
    alpha=1.0,
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
