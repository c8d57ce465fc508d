"""Batch normalisation by TensorFlow's fused kernel.

Keras 3 composes it of a dozen elementwise operations, each a pass over memory: with the fused kernel a network
that trains its statistics needs about half the time of a step on a CPU (`benchmarks/batch_norm.py`).
That kernel sees one replica's images. Where several share a batch, one exchange for each layer gives all of them the
statistics of the whole: Keras's own way needs three.
"""

import keras
import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` of (B, H, W, C) over the last axis; the same weights, the same results.

    The class keeps Keras's name: files of weights name their entries by it.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        """Normalise; with `training` by the global batch's own statistics, which the moving ones then follow."""
        if not (training and self.trainable):
            return self._fused(inputs, self.moving_mean, self.moving_variance, is_training=False)[0]
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            outputs, mean, variance = self._over_replicas(inputs)
        else:
            empty = tf.zeros([0])
            outputs, mean, variance, *_ = self._fused(inputs, empty, empty, is_training=True)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs

    def compute_output_spec(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: None = None
    ) -> keras.KerasTensor:
        """Return the shape and dtype of the input."""
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def _over_replicas(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return what the fused kernel would for the images of all replicas; each must have equally many."""
        context = tf.distribute.get_replica_context()
        images = tf.cast(inputs, tf.float32)
        moments = tf.stack([tf.reduce_mean(images, (0, 1, 2)), tf.reduce_mean(tf.square(images), (0, 1, 2))])
        mean, square = tf.unstack(context.all_reduce(tf.distribute.ReduceOp.MEAN, moments))
        variance = tf.maximum(square - tf.square(mean), 0.0)
        scale, offset = self._scale_and_offset()
        outputs = tf.nn.batch_normalization(images, mean, variance, offset, scale, self.epsilon)
        count = tf.cast(tf.size(images) // tf.size(mean) * context.num_replicas_in_sync, tf.float32)
        # The kernel gives the unbiased variance to the moving one.
        return tf.cast(outputs, inputs.dtype), mean, variance * count / tf.maximum(count - 1.0, 1.0)

    def _scale_and_offset(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return gamma and beta, or ones and zeros; Inception-ResNet-v2 has no gamma."""
        channels = self.moving_mean.shape
        scale = tf.ones(channels) if self.gamma is None else tf.cast(self.gamma, tf.float32)
        offset = tf.zeros(channels) if self.beta is None else tf.cast(self.beta, tf.float32)
        return scale, offset

    def _fused(self, inputs: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, *, is_training: bool) -> tuple:
        scale, offset = self._scale_and_offset()
        return tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=scale,
            offset=offset,
            # Images may be in half precision, statistics never.
            mean=tf.cast(mean, tf.float32),
            variance=tf.cast(variance, tf.float32),
            epsilon=self.epsilon,
            is_training=is_training,
        )


def with_fused_batch_norm(model: keras.Model, *, padding: str | None = None) -> keras.Model:
    """Return a copy of a functional model, without its weights, in which every batch normalisation is the fused one.

    All layers that have a padding get `padding`; None leaves it as it is.
    """

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = BatchNormalization if isinstance(layer, keras.layers.BatchNormalization) else type(layer)
        config = layer.get_config()
        if padding and isinstance(config.get("padding"), str):
            config["padding"] = padding
        return kind.from_config(config)

    return keras.models.clone_model(model, clone_function=copy)
