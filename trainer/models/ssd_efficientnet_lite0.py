"""SSD on EfficientNet-Lite0: somewhat slower than MobileNetV2, with pretrained weights from the package index."""

import keras

from trainer.arguments.defaults import Defaults
from trainer.models import efficientnet_lite0, ssd
from trainer.models.backbone import Backbone
from trainer.models.family import ModelFamily


def _build(input_size: tuple[int, int], _: float) -> keras.Model:
    return efficientnet_lite0.build(input_size=input_size)


def _preprocess() -> keras.layers.Layer:
    pixel_range, pixel_mean = efficientnet_lite0.PIXEL_RANGE, efficientnet_lite0.PIXEL_MEAN
    return keras.layers.Rescaling(1 / pixel_range, offset=-pixel_mean / pixel_range, name="preprocess")


def _from_package(_: float) -> keras.Model:
    network = efficientnet_lite0.build(input_size=(None, None))
    efficientnet_lite0.load(network, efficientnet_lite0.checkpoint())
    return network


BACKBONE = Backbone(
    name="EfficientNet-Lite0",
    build=_build,
    # The first two lie inside an inverted residual, where it is widest.
    taps=("block_5_expand_relu", "block_11_expand_relu", "head_relu"),
    # The stem and the first block, the fifteen others, and the last convolution.
    block_starts=("stem", *(f"block_{number}_expand" for number in range(1, 16)), "head"),
    preprocess=_preprocess,
    alpha_by_kernel={(1152, 320): 1.0},  # block_15_project
    pretrained={"imagenet": _from_package, "lite0": _from_package},
    package=efficientnet_lite0.PACKAGE,
)
FAMILIES = (
    ModelFamily(
        name="ssd-efficientnet-lite0",
        when_to_choose="where only a package index can be reached: its pretrained weights are a package",
        backbone=BACKBONE,
        detector=ssd.build,
        defaults=Defaults(),
    ),
)
