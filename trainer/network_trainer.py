"""A network in training: weights, their moving average, optimizers, and the training step.

The step is written for `strategy.run`, since Keras' own `fit` cannot train on several machines. Losses
are divided by the counts of the global batch, so that gradients only have to be summed over the replicas. They
are summed before they are clipped: the norm that counts is that of the whole batch, however many share it.
"""

import functools
from collections.abc import Sequence

import keras
import tensorflow as tf

from trainer.config import TrainingConfig
from trainer.models.network import Loss, Network
from trainer.optimizer import AdamW, LossScale
from trainer.schedule import ema_decay, learning_rate

GLOBAL_CLIP_NORM = 10.0


class NetworkTrainer:
    """A network with all the state that a checkpoint holds; `step` counts the steps done.

    The weights of `ema_network` are an exponential moving average of those of `network`. It is validated and exported.
    Reference: Mean teachers, https://arxiv.org/abs/1703.01780.
    """

    def __init__(
        self,
        network: Network,
        ema_network: Network,
        config: TrainingConfig,
        *,
        pretrained: bool,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self.network = network
        self.ema_network = ema_network
        self.step = 0
        self._config = config
        self._strategy = strategy
        self._peak_rate = config.initial_learning_rate
        self._backbone_factor = config.backbone_learning_rate if pretrained else 1.0
        backbone, heads = _trainable(
            network,
            freeze=config.freeze if pretrained else 0,
            freeze_statistics=config.freeze_statistics and pretrained,
            pretrained=pretrained,
        )
        self._variables = {"backbone": backbone, "heads": heads}
        with strategy.scope():
            self._optimizers = {
                name: _optimizer(config.weight_decay, variables) for name, variables in self._variables.items()
            }
            ema_network.keras_model.set_weights(network.keras_model.get_weights())
            self._decay = tf.Variable(0.0, trainable=False)
            self._scale = LossScale() if config.precision == "mixed_float16" else None
        self._functions = {
            # Explicit, since "auto" differs between devices: XLA is several times slower on a CPU.
            frozen: tf.function(
                functools.partial(self._distributed_step, backbone_frozen=frozen), jit_compile=config.jit
            )
            for frozen in (True, False)
        }
        self.checkpoint = tf.train.Checkpoint(
            network=network.keras_model,
            ema_network=ema_network.keras_model,
            heads_optimizer=self._optimizers["heads"],
            backbone_optimizer=self._optimizers["backbone"],
            **(self._scale.state if self._scale else {}),
        )

    def start_from_average(self) -> None:
        """Continue from the averaged weights, as they are now."""
        with self._strategy.scope():
            self.network.keras_model.set_weights(self.ema_network.keras_model.get_weights())

    def train_step(
        self,
        batch: dict[str, tf.Tensor],
        *,
        progress: float,
        backbone_frozen: bool,
        closing: bool = False,
        rate: float = 1.0,
    ) -> dict[str, float]:
        """Do one step on this process's shard of the global batch; return the parts of the loss as in `Network.losses`.

        `progress` is how far training is, in [0, 1]; with `backbone_frozen` only the heads are trained; `closing` is
        for losses of the closing phase; `rate` is the highest learning rate, as a part of the initial one.
        """
        rate = learning_rate(progress, rate * self._peak_rate)
        self._optimizers["heads"].learning_rate.assign(rate)
        self._optimizers["backbone"].learning_rate.assign(rate * self._backbone_factor)
        self._decay.assign(ema_decay(self.step))
        batch = {**batch, "closing": tf.constant(float(closing))}
        losses = self._functions[backbone_frozen](_spread(batch, self._strategy))
        self.step += 1
        return {name: float(loss) for name, loss in losses.items()}

    def _distributed_step(self, batch: dict[str, tf.Tensor], backbone_frozen: bool) -> dict[str, tf.Tensor]:
        groups = ("heads",) if backbone_frozen else ("heads", "backbone")
        losses, gradients, norm = self._strategy.run(self._gradients, args=(batch, groups))

        def apply() -> None:
            self._strategy.run(self._apply, args=(gradients, groups))

        if self._scale:
            finite = tf.math.is_finite(self._strategy.experimental_local_results(norm)[0])
            tf.cond(finite, apply, lambda: None)
            self._scale.update(finite)
        else:
            apply()
        for average, variable in zip(
            self.ema_network.keras_model.variables, self.network.keras_model.variables, strict=True
        ):
            self._strategy.extended.update(average.value, _follow, args=(variable.value, self._decay))
        return {name: self._strategy.experimental_local_results(loss)[0] for name, loss in losses.items()}

    def _gradients(self, batch: dict[str, tf.Tensor], groups: Sequence[str]) -> tuple[dict, list, tf.Tensor]:
        """Return losses, clipped gradients and their norm before clipping, all of the global batch."""
        values = [variable.value for group in groups for variable in self._variables[group]]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            losses = _means(self.network.losses(batch))
            total = tf.add_n(list(losses.values()))
            total = self._scale.up(total) if self._scale else total
        gradients = tape.gradient(total, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        summed = _sum_over_replicas([*gradients, *losses.values()])
        gradients, sums = summed[: len(values)], summed[len(values) :]
        gradients = self._scale.down(gradients) if self._scale else gradients
        gradients, norm = tf.clip_by_global_norm(gradients, GLOBAL_CLIP_NORM)
        return dict(zip(losses, sums, strict=True)), gradients, norm

    def _apply(self, gradients: Sequence[tf.Tensor], groups: Sequence[str]) -> None:
        for group in groups:
            count = len(self._variables[group])
            self._optimizers[group].apply(gradients[:count], self._variables[group])
            gradients = gradients[count:]


def _spread(batch: dict[str, tf.Tensor], strategy: tf.distribute.Strategy) -> dict[str, tf.Tensor]:
    if strategy.num_replicas_in_sync == 1:
        return batch
    local = len(strategy.extended.worker_devices)

    def part(context: tf.distribute.experimental.ValueContext) -> dict[str, tf.Tensor]:
        number = context.replica_id_in_sync_group % local
        return {
            name: tf.split(values, local)[number] if values.shape.rank else values for name, values in batch.items()
        }

    return strategy.experimental_distribute_values_from_function(part)


def _means(losses: dict[str, Loss]) -> dict[str, tf.Tensor]:
    """Return this replica's share of each loss: its sum, divided by the count over all replicas, at least 1."""
    counts = _sum_over_replicas([loss.count for loss in losses.values()])
    return {
        name: loss.total / tf.maximum(tf.stop_gradient(count), 1.0)
        for (name, loss), count in zip(losses.items(), counts, strict=True)
    }


def _sum_over_replicas(values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, list(values))


def _follow(average: tf.Variable, value: tf.Tensor, decay: tf.Tensor) -> tf.Operation:
    return average.assign(decay * average + (1 - decay) * value)


def _trainable(network: Network, *, freeze: int, freeze_statistics: bool, pretrained: bool) -> tuple[list, list]:
    """Return the trainable variables of the backbone and of the heads.

    With `freeze_statistics` those of the backbone stay as they are: a few photos would only spoil the statistics of a
    backbone that was pretrained alone, and some published weights have them folded into the convolutions.
    """
    names = [layer.name for layer in network.backbone.layers]
    first = names.index(network.block_starts[freeze]) if freeze else 0
    for index, layer in enumerate(network.backbone.layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = index >= first and not (freeze_statistics and is_norm)
        if is_norm and not pretrained:
            layer.momentum = 0.9
    backbone = [variable for layer in network.backbone.layers for variable in layer.trainable_variables]
    known = {id(variable) for layer in network.backbone.layers for variable in layer.variables}
    heads = [variable for variable in network.keras_model.trainable_variables if id(variable) not in known]
    return backbone, heads


def _optimizer(weight_decay: float, variables: list) -> keras.optimizers.Optimizer:
    optimizer = AdamW(weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) == 1])
    # Built now: a checkpoint restored into an unbuilt optimizer drops its state with a mere warning.
    optimizer.build(variables)
    return optimizer
