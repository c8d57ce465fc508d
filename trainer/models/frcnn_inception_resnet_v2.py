"""Faster R-CNN on Inception-ResNet-v2: slower than the ResNets. Reference: https://arxiv.org/abs/1602.07261.

The published network drops the borders of its feature maps (`valid` padding), so that a cell no longer lies where the
stride says. Here every map is padded (`same`), as in TensorFlow's own Faster R-CNN on this backbone
(`align_feature_maps` of TF-Slim); the weights are the same.
"""

from trainer.models import faster_rcnn
from trainer.models.backbone import application_backbone
from trainer.models.family import ModelFamily

# Where the stem and each inception block end; the last block is followed by one convolution.
BLOCK_ENDS = (
    "mixed_5b",
    *(f"block35_{number}_ac" for number in range(1, 11)),
    "mixed_6a",
    *(f"block17_{number}_ac" for number in range(1, 21)),
    "mixed_7a",
    *(f"block8_{number}_ac" for number in range(1, 10)),
)


BACKBONE = application_backbone(
    "InceptionResNetV2",
    padding="same",
    taps=("block35_10_ac", "block17_20_ac", "conv_7b_ac"),
    block_ends=BLOCK_ENDS,
    alpha_by_kernel={(2080, 1536): 1.0},  # conv_7b
    file="inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
)
FAMILIES = (
    ModelFamily(
        name="frcnn-inception-resnet-v2",
        when_to_choose="several thousand images and a GPU with time for it",
        backbone=BACKBONE,
        detector=faster_rcnn.build,
        defaults=faster_rcnn.DEFAULTS,
    ),
)
