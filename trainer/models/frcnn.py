"""Faster R-CNN and Mask R-CNN on networks of `keras.applications`.

References: ResNet, https://arxiv.org/abs/1512.03385; Inception-ResNet-v2, https://arxiv.org/abs/1602.07261; NASNet-A
(large), 85 million weights, https://arxiv.org/abs/1707.07012.

The published Inception-ResNet-v2 drops the borders of its feature maps (`valid` padding), so that a cell no longer lies
where the stride says. Here every map is padded (`same`), as in TensorFlow's own Faster R-CNN on this backbone
(`align_feature_maps` of TF-Slim); the weights are the same.
"""

import functools
from dataclasses import replace

import keras
import tensorflow as tf

from trainer.models import faster_rcnn
from trainer.models.backbone import Backbone, application_backbone
from trainer.models.family import ModelFamily

# Where the stem and each inception block end; the last block is followed by one convolution.
INCEPTION_BLOCK_ENDS = (
    "mixed_5b",
    *(f"block35_{number}_ac" for number in range(1, 11)),
    "mixed_6a",
    *(f"block17_{number}_ac" for number in range(1, 21)),
    "mixed_7a",
    *(f"block8_{number}_ac" for number in range(1, 10)),
)
# Where the cells end: the two of the stem, then three times six normal ones, the second and third six after a
# reduction.
NAS_CELL_ENDS = (
    "stem_bn1",
    "reduction_concat_stem_1",
    "reduction_concat_stem_2",
    *(f"normal_concat_{number}" for number in range(6)),
    "reduction_concat_reduce_6",
    *(f"normal_concat_{number}" for number in range(7, 13)),
    "reduction_concat_reduce_12",
    *(f"normal_concat_{number}" for number in range(13, 18)),
)
# Mean of ImageNet's blue, green and red: the weights were trained on such pixels, in this order.
MEAN_BGR = (103.939, 116.779, 123.68)


class CaffePixels(keras.layers.Layer):
    """uint8 RGB pixels to what published ResNet weights expect: BGR minus the mean, float32."""

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        """See the class; the shape stays."""
        return tf.gather(tf.cast(pixels, tf.float32), [2, 1, 0], axis=-1) - tf.constant(MEAN_BGR)

    def compute_output_spec(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        """Return the shape of the input, as float32."""
        return keras.KerasTensor(pixels.shape, dtype="float32")


def _resnet(depth: int, blocks: tuple[int, ...]) -> Backbone:
    """Return the ResNet of a depth; `blocks` counts those of the stages of strides 4, 8, 16 and 32."""
    counts = dict(enumerate(blocks, start=2))
    firsts = (f"conv{stage}_block{i}_1_conv" for stage, count in counts.items() for i in range(1, count + 1))
    return application_backbone(
        f"ResNet{depth}",
        taps=(f"conv3_block{counts[3]}_out", f"conv4_block{counts[4]}_out", f"conv5_block{counts[5]}_out"),
        block_starts=("conv1_conv", *firsts),
        preprocess=functools.partial(CaffePixels, name="preprocess"),
        alpha_by_kernel={(512, 2048): 1.0},  # conv5_block3_3_conv
        file=f"resnet{depth}_weights_tf_dim_ordering_tf_kernels_notop.h5",
    )


def _inception_resnet_v2() -> Backbone:
    return application_backbone(
        "InceptionResNetV2",
        padding="same",
        taps=("block35_10_ac", "block17_20_ac", "conv_7b_ac"),
        block_ends=INCEPTION_BLOCK_ENDS,
        alpha_by_kernel={(2080, 1536): 1.0},  # conv_7b
        file="inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
    )


def _nasnet_large() -> Backbone:
    return application_backbone(
        "NASNetLarge",
        taps=("normal_concat_5", "normal_concat_12", "normal_concat_18"),
        block_ends=NAS_CELL_ENDS,
        alpha_by_kernel={(4032, 672): 1.0},  # from the cell before the last one into the last one
        file="NASNet-large-no-top.h5",
        # Training took 5.5 GB of memory with one image of 320x320 in a step and 6.1 GB with two (on a CPU, TensorFlow
        # itself included): eight images, and the workspace of a GPU's convolutions, fit into 12.
        gpu_memory=12.0,
    )


_family = functools.partial(ModelFamily, detector=faster_rcnn.build, defaults=faster_rcnn.DEFAULTS)
FAMILIES = (
    _family(
        name="frcnn-resnet50",
        when_to_choose="small or crowded objects, some hundred images, a GPU",
        backbone=_resnet(50, (3, 4, 6, 3)),
    ),
    _family(
        name="frcnn-resnet101",
        when_to_choose="as frcnn-resnet50, with a deeper backbone: slower",
        backbone=_resnet(101, (3, 4, 23, 3)),
    ),
    _family(
        name="frcnn-inception-resnet-v2",
        when_to_choose="several thousand images and a GPU with time for it",
        backbone=_inception_resnet_v2(),
    ),
    _family(
        name="frcnn-nas",
        when_to_choose="several thousand images and two or more large GPUs",
        backbone=_nasnet_large(),
        defaults=replace(faster_rcnn.DEFAULTS, batch_size=2),
    ),
    _family(
        name="mask-rcnn-resnet50",
        when_to_choose="as frcnn-resnet50, where most objects are annotated with polygons or masks",
        backbone=_resnet(50, (3, 4, 6, 3)),
        detector=faster_rcnn.build_with_masks,
        learns_masks=True,
        without_masks="frcnn-resnet50",
    ),
    _family(
        name="mask-rcnn-resnet101",
        when_to_choose="as frcnn-resnet101, where most objects are annotated with polygons or masks",
        backbone=_resnet(101, (3, 4, 23, 3)),
        detector=faster_rcnn.build_with_masks,
        learns_masks=True,
        without_masks="frcnn-resnet101",
    ),
)
