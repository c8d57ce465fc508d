"""The network while it learns: weights, their running average, optimizers, and one step.

The step is written for `strategy.run`, since Keras' own `fit` cannot train on several machines. Losses
are divided by the counts of the global batch: the optimizer then only has to sum gradients.
"""

import functools

import keras
import tensorflow as tf

from trainer.config import Config
from trainer.models.network import Network
from trainer.schedule import averaging_decay, learning_rate

GLOBAL_CLIP_NORM = 10.0


class Learner:
    """Holds everything that a checkpoint must hold.

    Attributes:
        network: The network that is trained.
        averaged: One of the same shape whose weights follow those of `network` slowly: it is validated,
            kept and exported. Reference: Mean teachers, https://arxiv.org/abs/1703.01780.
        step: Steps done.

    """

    def __init__(
        self,
        network: Network,
        averaged: Network,
        config: Config,
        *,
        pretrained: bool,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self.network = network
        self.averaged = averaged
        self.step = 0
        self._config = config
        self._strategy = strategy
        self._peak_rate = config.initial_learning_rate
        self._backbone_factor = config.backbone_learning_rate if pretrained else 1.0
        backbone, heads = _trainable(network, freeze=config.freeze if pretrained else 0, pretrained=pretrained)
        self._variables = {"backbone": backbone, "heads": heads}
        with strategy.scope():
            self._optimizers = {
                name: _optimizer(config.weight_decay, variables) for name, variables in self._variables.items()
            }
            averaged.keras_model.set_weights(network.keras_model.get_weights())
            self._decay = tf.Variable(0.0, trainable=False)
        self._functions = {
            # XLA is several times slower on CPU; said aloud, since "auto" differs between devices.
            frozen: tf.function(functools.partial(self._distributed_step, backbone_frozen=frozen), jit_compile=False)
            for frozen in (True, False)
        }
        self.checkpoint = tf.train.Checkpoint(
            network=network.keras_model,
            averaged=averaged.keras_model,
            heads_optimizer=self._optimizers["heads"],
            backbone_optimizer=self._optimizers["backbone"],
        )

    def learn(self, batch: dict[str, tf.Tensor], *, progress: float, backbone_frozen: bool) -> dict[str, float]:
        """One step.

        Args:
            batch: From `input_pipeline.batches`.
            progress: How far training is, in [0, 1].
            backbone_frozen: Whether only the heads learn.

        Returns:
            The parts of the loss by the names that the network gives them.

        """
        rate = learning_rate(progress, self._peak_rate)
        self._optimizers["heads"].learning_rate.assign(rate)
        self._optimizers["backbone"].learning_rate.assign(rate * self._backbone_factor)
        self._decay.assign(averaging_decay(self.step))
        losses = self._functions[backbone_frozen](batch)
        self.step += 1
        return {name: float(loss) for name, loss in losses.items()}

    def _distributed_step(self, batch: dict[str, tf.Tensor], backbone_frozen: bool) -> dict[str, tf.Tensor]:
        losses = self._strategy.run(self._replica_step, args=(batch, backbone_frozen))
        total = tf.distribute.ReduceOp.SUM
        return {name: self._strategy.reduce(total, loss, axis=None) for name, loss in losses.items()}

    def _replica_step(self, batch: dict[str, tf.Tensor], backbone_frozen: bool) -> dict[str, tf.Tensor]:
        groups = ["heads"] if backbone_frozen else ["heads", "backbone"]
        variables = [variable for group in groups for variable in self._variables[group]]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            losses = {name: loss.total / _global(loss.count) for name, loss in self.network.losses(batch).items()}
            total = tf.add_n(list(losses.values()))
        gradients = tape.gradient(total, [variable.value for variable in variables])
        gradients, _ = tf.clip_by_global_norm(gradients, GLOBAL_CLIP_NORM)
        for group in groups:
            count = len(self._variables[group])
            self._optimizers[group].apply(gradients[:count], self._variables[group])
            gradients = gradients[count:]
        for average, variable in zip(
            self.averaged.keras_model.variables, self.network.keras_model.variables, strict=True
        ):
            average.assign(self._decay * average + (1 - self._decay) * variable)
        return losses


def _global(count: tf.Tensor) -> tf.Tensor:
    """The count over all replicas, at least 1."""
    everywhere = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, count)
    return tf.maximum(tf.stop_gradient(everywhere), 1.0)


def _trainable(network: Network, *, freeze: int, pretrained: bool) -> tuple[list, list]:
    """Variables of the backbone and of the heads that training may change.

    Statistics of a pretrained backbone stay as they are: a few photos would only spoil them, and some
    published weights have them folded into the convolutions.
    """
    names = [layer.name for layer in network.backbone.layers]
    first = names.index(network.block_starts[freeze]) if freeze else 0
    for index, layer in enumerate(network.backbone.layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = index >= first and not (pretrained and is_norm)
        if is_norm and not pretrained:
            layer.momentum = 0.9
    backbone = [variable for layer in network.backbone.layers for variable in layer.trainable_variables]
    known = {id(variable) for layer in network.backbone.layers for variable in layer.variables}
    heads = [variable for variable in network.keras_model.trainable_variables if id(variable) not in known]
    return backbone, heads


def _optimizer(weight_decay: float, variables: list) -> keras.optimizers.Optimizer:
    """AdamW, whose rate each step sets anew."""
    optimizer = keras.optimizers.AdamW(weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) == 1])
    # Built now: a checkpoint restored into an unbuilt optimizer drops its state with a mere warning.
    optimizer.build(variables)
    return optimizer
