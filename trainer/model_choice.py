"""`--model auto`: the model that the base model belongs to, else the one recommended for data and machine."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from runtime.letterbox import Letterbox
from trainer import backbone_weights, earlier_run, input_size
from trainer.config import RequestedConfig, parse_size
from trainer.datasets import Sample
from trainer.errors import TrainingError
from trainer.models import MODELS
from trainer.recommendation import Recommendation, TrainingConditions, recommend


def choose(base_model: str, requested: RequestedConfig, samples: Sequence[Sample]) -> Recommendation:
    """Choose the model for the samples of the training part; a run or a file of weights as base model decides itself.

    Raises:
        TrainingError: The base model fits no model.
    """
    path = Path(base_model)
    if path.is_dir():
        earlier = earlier_run.read(path)
        return Recommendation(earlier.model, f"{earlier.model} is chosen: {earlier.name} is a run of this model.")
    if path.is_file():
        return _fitting(path, requested)
    able = [
        name for name, family in MODELS.items() if base_model in (backbone_weights.NONE, *family.backbone.pretrained)
    ]
    size = parse_size(requested.image_size or "") or input_size.choose([sample.image_size for sample in samples])
    return recommend(
        TrainingConditions(
            images=len(samples),
            sides=_sides(samples, size),
            input_size=size,
            gpu=bool(tf.config.list_physical_devices("GPU")),
            pretrained=base_model != backbone_weights.NONE,
            cached=[name for name in able if MODELS[name].backbone.is_cached()],
            models=able or list(MODELS),
        )
    )


def _fitting(file: Path, requested: RequestedConfig) -> Recommendation:
    for name, family in MODELS.items():
        with contextlib.suppress(TrainingError):
            backbone_weights.resolve(str(file), alpha=requested.alpha, backbone=family.backbone)
            return Recommendation(name, f"{name} is chosen: {file.name} has weights of its backbone.")
    raise TrainingError(
        f"--base-model {file.name}: fits no model; expected weights of a backbone without top. "
        f"Name a model with --model to see why it does not fit."
    )


def _sides(samples: Sequence[Sample], size: tuple[int, int]) -> list[float]:
    """Return the square root of the area of each box, in input pixels."""
    boxes = np.concatenate([Letterbox.fit(sample.image_size, size).to_input(sample.boxes) for sample in samples])
    return np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)).tolist()
