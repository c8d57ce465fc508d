"""Arguments of a training with everything decided, for tests that need a few of them."""

from typing import Any

from trainer.arguments.defaults import Defaults, resolve_arguments
from trainer.config import TrainingConfig


def training_config(*, image_size: str = "96x96", **overrides: Any) -> TrainingConfig:
    """Return the arguments of a training from random weights on ten images, with some overridden."""
    width, height = (int(side) for side in image_size.split("x"))
    return resolve_arguments(overrides, Defaults(), images=10, pretrained=False, alpha=1.0, input_size=(width, height))
