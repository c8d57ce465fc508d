"""Arguments of a training with everything decided, and all numbers of its newest checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np

from trainer.arguments.defaults import Defaults, resolve_arguments
from trainer.arguments.facts import TrainingFacts
from trainer.config import TrainingConfig
from trainer.input_size import InputSize


def training_config(*, image_size: str = "96x96", **overrides: Any) -> TrainingConfig:
    """Return the arguments of a training from random weights on ten images, with some overridden."""
    width, height = (int(side) for side in image_size.split("x"))
    facts = TrainingFacts(images=10, input_size=InputSize((width, height)), pretrained=False, alpha=1.0)
    return resolve_arguments(overrides, Defaults(), facts)


def newest_checkpoint(run: Path) -> dict[str, np.ndarray]:
    """Return every number of a run's newest checkpoint: weights, their averages and the optimizers' moments."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(max((run / "checkpoints").glob("epoch-*")) / "weights"))
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: reader.get_tensor(name) for name in names}
