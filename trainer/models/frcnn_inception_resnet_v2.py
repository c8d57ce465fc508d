"""Faster R-CNN on Inception-ResNet-v2: slower than the ResNets. Reference: https://arxiv.org/abs/1602.07261.

The published network drops the borders of its feature maps (`valid` padding), so that a cell no longer lies where the
stride says. Here every map is padded (`same`), as in TensorFlow's own Faster R-CNN on this backbone
(`align_feature_maps` of TF-Slim); the weights are the same.
"""

from collections.abc import Sequence

import keras

from trainer.models import faster_rcnn
from trainer.models.backbone import Backbone
from trainer.models.batch_norm import with_fused_batch_norm
from trainer.models.network import Network

NAME = "frcnn-inception-resnet-v2"
DEFAULTS = faster_rcnn.DEFAULTS
# Last feature map of each stride.
TAPS = ("block35_10_ac", "block17_20_ac", "conv_7b_ac")
# Where the stem and each inception block end; the last block is followed by one convolution.
BLOCK_ENDS = (
    "mixed_5b",
    *(f"block35_{number}_ac" for number in range(1, 11)),
    "mixed_6a",
    *(f"block17_{number}_ac" for number in range(1, 21)),
    "mixed_7a",
    *(f"block8_{number}_ac" for number in range(1, 10)),
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
    """Inception-ResNet-v2 with random weights; there is one width, so `alpha` is 1."""
    original = keras.applications.InceptionResNetV2(
        input_shape=(input_size[1], input_size[0], 3), include_top=False, weights=None
    )
    return with_fused_batch_norm(original, padding="same")


def _imagenet(_: float) -> keras.Model:
    return keras.applications.InceptionResNetV2(include_top=False, weights="imagenet")


BACKBONE = Backbone(
    name="InceptionResNetV2",
    alpha=1.0,
    alpha_from_scratch=1.0,
    alpha_by_kernel={(2080, 1536): 1.0},  # conv_7b
    pretrained={"imagenet": _imagenet},
    file="inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
)
