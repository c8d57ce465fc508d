"""Run by test_replicas.py in a process of its own: logical devices are made before TensorFlow starts.

Prints, as JSON, what came of the same batches on one device and on two, and in other precisions.
"""

import json
import sys

import numpy as np
import tensorflow as tf

from trainer import devices
from trainer.config import Config
from trainer.errors import TrainingError
from trainer.learner import Learner
from trainer.preparation import _build

SIZE = 96
RESOLVED = {
    "model": "ssd-mobilenet-v2",
    "labels": ["a", "b"],
    "alpha": 0.35,
    "input_size": [SIZE, SIZE],
    "aspects": [1.0],
}
STEPS = 3


def learn(config):
    """Losses of each step, and the weights and their average after the last, from batches whose gradients are clipped."""
    strategy = devices.strategy(config, None)
    with strategy.scope():
        network, averaged = _build(RESOLVED, config)
    learner = Learner(network, averaged, config, pretrained=False, strategy=strategy)
    rng = np.random.default_rng(0)
    losses = [learner.learn(batch(network, rng), progress=0.5, backbone_frozen=step == 0) for step in range(STEPS)]
    models = (network.keras_model, averaged.keras_model)
    return losses, [weight for model in models for weight in model.get_weights()]


def batch(network, rng):
    """Four images, the objects all in the first two: replicas have very different counts."""
    boxes = np.array([[8, 8, 60, 60], [40, 30, 90, 80]], np.float32)
    targets = [
        network.targets(boxes if number < 2 else boxes[:0], np.arange(2 if number < 2 else 0)) for number in range(4)
    ]
    pixels = rng.integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    return {
        "pixels": tf.constant(pixels),
        **{name: tf.constant(np.stack([target[name] for target in targets])) for name in targets[0]},
    }


def sentence(config):
    try:
        devices.strategy(config, None)
    except TrainingError as error:
        return str(error)
    return None


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    plain = Config(batch_size=4, initial_learning_rate=1e-3)
    losses, weights = learn(plain)
    shared_losses, shared_weights = learn(Config(batch_size=4, initial_learning_rate=1e-3, num_clones=2))
    differences = [float(np.abs(one - two).max()) for one, two in zip(weights, shared_weights, strict=True)]
    halves = {name: learn(Config(batch_size=4, initial_learning_rate=1e-3, precision=name))[0] for name in sys.argv[1:]}
    print(
        json.dumps(
            {
                "one": losses,
                "two": shared_losses,
                "difference": max(differences),
                "halves": halves,
                "too many": sentence(Config(num_clones=3, batch_size=3)),
            }
        )
    )


if __name__ == "__main__":
    main()
