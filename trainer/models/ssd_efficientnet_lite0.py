"""SSD on EfficientNet-Lite0: somewhat slower than MobileNetV2, with pretrained weights from the package index."""

from collections.abc import Sequence

import keras

from trainer.arguments.defaults import Defaults
from trainer.models import efficientnet_lite0, ssd
from trainer.models.backbone import Backbone
from trainer.models.network import Network

NAME = "ssd-efficientnet-lite0"
# Last feature map of each stride; the first two lie inside an inverted residual, where it is widest.
TAPS = ("block_5_expand_relu", "block_11_expand_relu", "head_relu")
# The stem and the first block, the fifteen others, and the last convolution.
BLOCK_STARTS = ("stem", *(f"block_{number}_expand" for number in range(1, 16)), "head")
DEFAULTS = Defaults()


def build(*, num_classes: int, input_size: tuple[int, int], aspects: Sequence[float], backbone: keras.Model) -> Network:
    """Build the network on a backbone from `build_backbone`; the rest as in `ssd.build`."""
    pixel_range, pixel_mean = efficientnet_lite0.PIXEL_RANGE, efficientnet_lite0.PIXEL_MEAN
    return ssd.build(
        num_classes=num_classes,
        input_size=input_size,
        aspects=aspects,
        backbone=backbone,
        taps=TAPS,
        block_starts=BLOCK_STARTS,
        preprocess=keras.layers.Rescaling(1 / pixel_range, offset=-pixel_mean / pixel_range, name="preprocess"),
    )


def build_backbone(*, input_size: tuple[int, int], alpha: float) -> keras.Model:
    """EfficientNet-Lite0 with random weights; there is one width, so `alpha` is 1."""
    return efficientnet_lite0.build(input_size=input_size)


def _package(_: float) -> keras.Model:
    network = efficientnet_lite0.build(input_size=(None, None))
    efficientnet_lite0.load(network, efficientnet_lite0.checkpoint())
    return network


BACKBONE = Backbone(
    name="EfficientNet-Lite0",
    alpha=1.0,
    alpha_from_scratch=1.0,
    alpha_by_kernel={(1152, 320): 1.0},  # block_15_project
    pretrained={"imagenet": _package, "lite0": _package},
    package=efficientnet_lite0.PACKAGE,
)
