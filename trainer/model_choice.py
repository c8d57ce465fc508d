"""`--model auto`: the model of the base model if it has one, else what data and machine recommend."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from runtime.letterbox import Letterbox
from trainer import backbone_weights, earlier_run, input_size
from trainer.config import TrainingConfig, parse_size
from trainer.datasets import Sample
from trainer.errors import TrainingError
from trainer.models import MODELS
from trainer.recommendation import Recommendation, TrainingConditions, recommend


def choose(base_model: str, wanted: TrainingConfig, samples: Sequence[Sample]) -> Recommendation:
    """The model for these training images.

    Args:
        base_model: As in `--base-model`: a run and a file of weights decide for themselves.
        wanted: What was asked for.
        samples: The training part.

    Raises:
        TrainingError: The base model fits no model.

    """
    path = Path(base_model)
    if path.is_dir():
        earlier = earlier_run.read(path)
        return Recommendation(earlier.model, f"{earlier.model} is chosen: {earlier.name} is a run of it.")
    if path.is_file():
        return _fitting(path, wanted)
    able = [
        name for name, family in MODELS.items() if base_model in (backbone_weights.NONE, *family.BACKBONE.pretrained)
    ]
    size = parse_size(wanted.image_size) or input_size.choose([sample.image_size for sample in samples])
    return recommend(
        TrainingConditions(
            images=len(samples),
            sides=_sides(samples, size),
            input_size=size,
            gpu=bool(tf.config.list_physical_devices("GPU")),
            pretrained=base_model != backbone_weights.NONE,
            at_hand=[name for name in able if MODELS[name].BACKBONE.at_hand()],
            models=able or list(MODELS),
        )
    )


def _fitting(file: Path, wanted: TrainingConfig) -> Recommendation:
    for name, family in MODELS.items():
        with contextlib.suppress(TrainingError):
            backbone_weights.resolve(str(file), alpha=wanted.alpha, backbone=family.BACKBONE)
            return Recommendation(name, f"{name} is chosen: {file.name} has weights of its backbone.")
    raise TrainingError(
        f"--base-model {file.name}: fits no model; expected weights of a backbone without top. "
        f"Name the model with --model to learn why."
    )


def _sides(samples: Sequence[Sample], size: tuple[int, int]) -> list[float]:
    """Root of the area of each box in the input."""
    boxes = np.concatenate([Letterbox.fit(sample.image_size, size).to_input(sample.boxes) for sample in samples])
    return np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)).tolist()
