"""Faster R-CNN on ResNets of `keras.applications`. Reference: https://arxiv.org/abs/1512.03385."""

import functools

import keras
import tensorflow as tf

from trainer.models import faster_rcnn
from trainer.models.backbone import application_backbone
from trainer.models.family import ModelFamily

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


def _family(name: str, depth: int, blocks: tuple[int, ...], when_to_choose: str) -> ModelFamily:
    """Return the family on the ResNet of a depth; `blocks` counts those of the stages of strides 4, 8, 16 and 32."""
    counts = dict(enumerate(blocks, start=2))
    firsts = (f"conv{stage}_block{i}_1_conv" for stage, count in counts.items() for i in range(1, count + 1))
    backbone = application_backbone(
        f"ResNet{depth}",
        taps=(f"conv3_block{counts[3]}_out", f"conv4_block{counts[4]}_out", f"conv5_block{counts[5]}_out"),
        block_starts=("conv1_conv", *firsts),
        preprocess=functools.partial(CaffePixels, name="preprocess"),
        alpha_by_kernel={(512, 2048): 1.0},  # conv5_block3_3_conv
        file=f"resnet{depth}_weights_tf_dim_ordering_tf_kernels_notop.h5",
    )
    return ModelFamily(
        name=name,
        when_to_choose=when_to_choose,
        backbone=backbone,
        detector=faster_rcnn.build,
        defaults=faster_rcnn.DEFAULTS,
    )


FAMILIES = (
    _family("frcnn-resnet50", 50, (3, 4, 6, 3), "small or crowded objects, some hundred images, a GPU"),
    _family("frcnn-resnet101", 101, (3, 4, 23, 3), "as frcnn-resnet50, with a deeper backbone: slower"),
)
