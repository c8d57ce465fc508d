"""ResNets of `keras.applications` as backbones. Reference: https://arxiv.org/abs/1512.03385."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from trainer.models.batch_norm import with_fused_batch_norm

# Mean of ImageNet's blue, green and red: its weights were trained on such pixels, in this order.
MEAN_BGR = (103.939, 116.779, 123.68)


class CaffePixels(keras.layers.Layer):
    """uint8 RGB pixels to what published ResNet weights expect: BGR minus the mean, float32."""

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        """See the class; the shape stays."""
        return tf.gather(tf.cast(pixels, tf.float32), [2, 1, 0], axis=-1) - np.float32(MEAN_BGR)

    def compute_output_spec(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        """The shape of the input, as float32."""
        return keras.KerasTensor(pixels.shape, dtype="float32")


def taps(blocks: Sequence[int]) -> tuple[str, ...]:
    """Names of the layers that end the stages of strides 8, 16 and 32; `blocks` as in `block_starts`."""
    return tuple(f"conv{stage}_block{count}_out" for stage, count in enumerate(blocks, 2) if stage >= 3)


def block_starts(blocks: Sequence[int]) -> tuple[str, ...]:
    """Names of the stem's first layer and of the first layer of every block; `blocks` counts those of each stage."""
    starts = (
        f"conv{stage}_block{number}_1_conv" for stage, count in enumerate(blocks, 2) for number in range(1, count + 1)
    )
    return ("conv1_conv", *starts)


def build(application: Callable[..., keras.Model], input_size: tuple[int, int]) -> keras.Model:
    """A ResNet with random weights, without its top."""
    shape = (input_size[1], input_size[0], 3)
    return with_fused_batch_norm(application(input_shape=shape, include_top=False, weights=None))
