"""What `benchmarks/models.py` measured of each model: size, memory, and how long training and inference take."""

import functools
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer.arguments.defaults import Defaults, resolve_arguments
from trainer.arguments.facts import TrainingFacts
from trainer.config import Overrides, TrainingConfig
from trainer.input_size import InputSize

FILE = Path(__file__).parent / "models" / "measured.json"


@functools.cache
def measured() -> Mapping[str, Any]:
    """Return the content of the file: times are relative to those of one model, on one machine."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def training_memory() -> dict[str, float]:
    """Return the GB that a training takes at its peak, of each model that was measured."""
    models = measured()["models"].items()
    return {name: figures["memory_gb"] for name, figures in models if figures.get("memory_gb")}


def estimate_minutes(
    defaults: Mapping[str, Defaults],
    images: int,
    size_for: Callable[[int], tuple[int, int]],
    overrides: Overrides | None = None,
    *,
    pretrained: bool = True,
) -> dict[str, float]:
    """Estimate how long a training takes on the CPU of the measurement; models that were not measured are left out.

    Args:
        defaults: Model to its default arguments.
        images: Number of training images.
        size_for: Returns the input size, (width, height), of a model with this `Defaults.side`.
        overrides: The requested arguments; those that are not requested are decided as a training decides them.
        pretrained: Whether it starts from pretrained weights.
    """
    minutes = {}
    for name, of_model in defaults.items():
        # No width of a backbone changes the number of steps.
        facts = TrainingFacts(
            images=images, input_size=InputSize(size_for(of_model.side)), pretrained=pretrained, alpha=1.0
        )
        config = resolve_arguments(overrides or {}, of_model, facts)
        estimate = _minutes(name, config, facts)
        if estimate is not None:
            minutes[name] = estimate
    return minutes


def _minutes(model: str, config: TrainingConfig, facts: TrainingFacts) -> float | None:
    """Return minutes for the images shown: each takes as long as its pixels are many, whatever the batch size."""
    content = measured()
    ratio = content["models"].get(model, {}).get("training")
    if not ratio or not content.get("seconds_per_image"):
        return None
    if config.epochs is None:
        return config.max_minutes
    steps = config.steps or config.epochs * -(-facts.images // config.batch_size)
    size = math.prod(facts.input_size.size) / math.prod(content["input_size"])
    estimate: float = steps * config.batch_size * content["seconds_per_image"] * ratio * size / 60
    return min(estimate, config.max_minutes or estimate)


def cores() -> int:
    """Return the number of CPU cores of the machine of the measurement."""
    return int(measured()["machine"]["cores"])
