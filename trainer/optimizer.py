"""The optimizer, and the scale of losses for training in float16."""

from collections.abc import Sequence

import keras
import tensorflow as tf

# As in `keras.optimizers.LossScaleOptimizer`.
INITIAL_SCALE = 2.0**15
STEPS_TO_DOUBLE = 2000


class AdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` in one pass over memory, for gradients that are sums over all replicas already.

    Keras 3 composes an update of a dozen operations, each a pass over the weights: with the 28 million of
    `frcnn-resnet50` they took a seventh of a training step on two cores. TensorFlow has the same formula as one kernel.
    Reference: Decoupled Weight Decay Regularization, https://arxiv.org/abs/1711.05101.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update one weight; see Keras, which also updates weights that several replicas hold."""
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def _all_reduce_sum_gradients(self, grads_and_vars: Sequence[tuple]) -> Sequence[tuple]:
        return grads_and_vars


def _handle(variable: keras.Variable | tf.Variable) -> tf.Tensor:
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


class LossScale:
    """The factor that keeps small gradients from vanishing in float16, to be made in the scope of the strategy.

    Losses are multiplied by it before and gradients divided after; it is halved when a gradient overflows, whose step
    is then left out, and doubled after many that did not. Keras has it as a wrapper around one optimizer; here two
    optimizers share one norm of gradients, so they have to share the factor as well.

    Reference: Mixed Precision Training, section 3.2, https://arxiv.org/abs/1710.03740.
    """

    def __init__(self) -> None:
        self._scale = tf.Variable(INITIAL_SCALE, trainable=False)
        self._good_steps = tf.Variable(0.0, trainable=False)
        self.state = {"loss_scale": self._scale, "loss_scale_steps": self._good_steps}

    def up(self, loss: tf.Tensor) -> tf.Tensor:
        """Return a loss whose gradients float16 can hold."""
        return loss * self._scale

    def down(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Return the gradients of the loss itself."""
        return [gradient / self._scale for gradient in gradients]

    def update(self, finite: tf.Tensor) -> None:
        """Adjust the factor after a step, outside of replicas; `finite` is whether all gradients were."""
        steps = tf.where(finite, self._good_steps + 1.0, 0.0)
        double = steps >= STEPS_TO_DOUBLE
        factor = tf.where(finite, tf.where(double, 2.0, 1.0), 0.5)
        self._scale.assign(self._scale * factor)
        self._good_steps.assign(tf.where(double, 0.0, steps))
