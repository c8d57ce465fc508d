"""What `benchmarks/models.py` measured of each model: size, memory, and how long training and inference take."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.arguments.defaults import Defaults

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
    input_size: tuple[int, int],
    *,
    pretrained: bool = True,
    epochs: int | None = None,
    steps: int | None = None,
    max_minutes: float | None = None,
) -> dict[str, float]:
    """Estimate how long a training takes on the CPU of the measurement; models that were not measured are left out.

    Args:
        defaults: Model to its default arguments.
        images: Number of training images.
        input_size: (width, height): a step takes as long as its pixels are many.
        pretrained: Whether it starts from pretrained weights.
        epochs: As requested; None for the default.
        steps: As requested, if they are.
        max_minutes: As requested, if they are; alone they are used up.
    """
    content = measured()
    of_width, of_height = content["input_size"]
    size = input_size[0] * input_size[1] / (of_width * of_height)
    minutes = {}
    for name, of_model in defaults.items():
        ratio = content["models"].get(name, {}).get("training")
        if not ratio or not content.get("seconds_per_image"):
            continue
        if max_minutes and not epochs and not steps:
            minutes[name] = max_minutes
            continue
        lengths = [images * epochs] if epochs else []
        lengths += [steps * of_model.batch_size] if steps else []
        shown = min(lengths, default=images * of_model.epochs(images, pretrained=pretrained))
        estimate = shown * content["seconds_per_image"] * ratio * size / 60
        minutes[name] = min(estimate, max_minutes or estimate)
    return minutes


def cores() -> int:
    """Return the number of CPU cores of the machine of the measurement."""
    return int(measured()["machine"]["cores"])
