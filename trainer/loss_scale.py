"""The factor that keeps small gradients from vanishing in float16.

Losses are multiplied by it before and gradients divided after; it is halved when a gradient overflows, whose step is
then left out, and doubled after many that did not. Keras has it as a wrapper around one optimizer; here two optimizers
share one norm of gradients, so they have to share the factor as well.

Reference: Mixed Precision Training, section 3.2, https://arxiv.org/abs/1710.03740.
"""

from collections.abc import Sequence

import tensorflow as tf

# As in `keras.optimizers.LossScaleOptimizer`.
INITIAL_SCALE = 2.0**15
STEPS_TO_DOUBLE = 2000


class LossScale:
    """The factor, and how many steps it has done well; to be made in the scope of the strategy."""

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
