"""Batch normalisation by TensorFlow's fused kernel.

Keras 3 composes it of a dozen elementwise operations, each a pass over memory: with the fused kernel a network
that trains its statistics needs about half the time of a step on a CPU (`benchmarks/batch_norm.py`).
"""

import keras
import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` of (B, H, W, C) over the last axis; the same weights, the same results.

    The class keeps Keras's name: files of weights name their entries by it.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        """Normalise; with `training` by the batch's own statistics, which the moving ones then follow."""
        if not (training and self.trainable):
            return self._fused(inputs, self.moving_mean, self.moving_variance, is_training=False)[0]
        empty = tf.zeros([0])
        outputs, mean, variance, *_ = self._fused(inputs, empty, empty, is_training=True)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs

    def compute_output_spec(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: None = None
    ) -> keras.KerasTensor:
        """The shape and dtype of the input."""
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def _fused(self, inputs: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, *, is_training: bool) -> tuple:
        return tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.ones(inputs.shape[-1:]) if self.gamma is None else self.gamma,
            offset=tf.zeros(inputs.shape[-1:]) if self.beta is None else self.beta,
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=is_training,
        )


def with_fused_batch_norm(model: keras.Model, *, padding: str | None = None) -> keras.Model:
    """A copy of a functional model, weights not included, in which every batch normalisation is the fused one.

    Args:
        model: Of `keras.applications`, for example.
        padding: Of all layers that have one; None leaves it as it is.

    """

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = BatchNormalization if isinstance(layer, keras.layers.BatchNormalization) else type(layer)
        config = layer.get_config()
        if padding and isinstance(config.get("padding"), str):
            config["padding"] = padding
        return kind.from_config(config)

    return keras.models.clone_model(model, clone_function=copy)
