"""Run by test_replicas.py in a process of its own: logical devices are made before TensorFlow starts.

Prints, as JSON, what came of the same batches on one device and on two, and in other ways to compute.
"""

import json
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from support.training import training_config

from trainer import devices
from trainer.config import RequestedConfig
from trainer.errors import TrainingError
from trainer.models.batch_norm import BatchNormalization
from trainer.models.network import Loss, Network
from trainer.network_trainer import NetworkTrainer
from trainer.preparation import dtype_policy

SIDE = 16
STEPS = 4


@dataclass(frozen=True)
class Spots(Network):
    """How bright each image is and how bright each fourth of a bright one: two parts with counts of their own."""

    target_spec = None

    def targets(self, gt_boxes, gt_classes, rng=None):
        raise NotImplementedError

    def predict(self, pixels):
        raise NotImplementedError

    def losses(self, batch):
        logits = self.keras_model(batch["pixels"], training=True)
        error = tf.abs(logits - batch["wanted"]) * (1 + batch["closing"])
        bright = tf.cast(batch["bright"], tf.float32)
        return {
            "class_loss": Loss(tf.reduce_sum(error), tf.cast(tf.size(bright), tf.float32)),
            "box_loss": Loss(tf.reduce_sum(tf.square(error) * bright[:, None]), tf.reduce_sum(bright)),
        }


def network(precision):
    with dtype_policy(precision):
        image = keras.Input((SIDE, SIDE, 3), dtype="float32")
        x = keras.layers.Conv2D(8, 3, 2, use_bias=False, name="first")(image)
        x = keras.layers.ReLU()(BatchNormalization(name="norm")(x))
        backbone = keras.Model(image, keras.layers.Conv2D(8, 3, 2, use_bias=False, name="second")(x))
    pixels = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = BatchNormalization(momentum=0.9)(backbone(keras.layers.Rescaling(1 / 255)(pixels)))
    answers = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x))
    return Spots(keras.Model(pixels, answers), backbone, ("first",), (SIDE, SIDE), 1, ())


def batch(rng):
    """Four images whose bright ones are the first two, and whose wishes are far enough for the norm to be clipped."""
    return {
        "pixels": tf.constant(rng.integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)),
        "wanted": tf.constant(rng.normal(0, 30, (4, 4)).astype(np.float32)),
        "bright": tf.constant([True, True, False, False]),
    }


def learn(**arguments):
    """Losses of each step, and all weights with their averages after the last."""
    config = training_config(
        **{"batch_size": 4, "initial_learning_rate": 1e-2, "backbone_learning_rate": 0.05, **arguments}
    )
    strategy = devices.strategy(config, None)
    with strategy.scope():
        keras.utils.set_random_seed(0)
        first, ema_network = network(config.precision), network("float32")
    network_trainer = NetworkTrainer(first, ema_network, config, pretrained=False, strategy=strategy)
    rng = np.random.default_rng(0)
    losses = [
        network_trainer.train_step(batch(rng), progress=0.5, backbone_frozen=step == 0, closing=step == STEPS - 1)
        for step in range(STEPS)
    ]
    models = (first.keras_model, ema_network.keras_model)
    return losses, [weight for model in models for weight in model.get_weights()]


def overflow():
    """What a batch whose gradients no float holds does to the weights and to the factor of the loss."""
    config = training_config(batch_size=4, initial_learning_rate=1e-2, precision="mixed_float16")
    first, ema_network = network(config.precision), network("float32")
    network_trainer = NetworkTrainer(
        first, ema_network, config, pretrained=False, strategy=tf.distribute.get_strategy()
    )
    before = first.keras_model.trainable_variables[-1].numpy()
    wild = {**batch(np.random.default_rng(0)), "wanted": tf.fill((4, 4), 1e38)}
    network_trainer.train_step(wild, progress=0.5, backbone_frozen=False)
    after = first.keras_model.trainable_variables[-1].numpy()
    return {"changed": not np.array_equal(before, after), "scale": float(network_trainer.checkpoint.loss_scale.numpy())}


def difference(weights, others):
    return max(float(np.abs(one - other).max()) for one, other in zip(weights, others, strict=True))


def sentence(**arguments):
    try:
        devices.strategy(RequestedConfig(**arguments), None)
    except TrainingError as error:
        return str(error)
    return None


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    losses, weights = learn()
    shared_losses, shared_weights = learn(num_clones=2)
    compiled_losses, _ = learn(jit=True)
    found = {
        "one": losses,
        "two": shared_losses,
        "difference": difference(weights, shared_weights),
        "compiled": compiled_losses,
        "float16": learn(precision="mixed_float16")[0],
        "float16 on two": learn(precision="mixed_float16", num_clones=2)[0],
        "bfloat16": learn(precision="mixed_bfloat16")[0],
        "overflow": overflow(),
        "too many": sentence(num_clones=3),
        "compiled on two": sentence(jit=True, num_clones=2),
        "deterministic": [learn(deterministic=True)[0], learn(deterministic=True)[0]],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
