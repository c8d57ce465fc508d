"""The model that `--model` names, also by names of other tools; `auto` is the base model's or the recommended one."""

import contextlib
from collections.abc import Collection, Sequence
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

AUTO = "auto"
# Names in TensorFlow's Object Detection API, which CVAT users know.
ALIASES = {
    "ssd-mobilenet-v2-coco": "ssd-mobilenet-v2",
    "frcnn-res50-coco": "frcnn-resnet50",
    "frcnn-res101-coco": "frcnn-resnet101",
    "frcnn-nas-coco": "frcnn-nas",
    "faster-rcnn-inception-resnet-v2": "frcnn-inception-resnet-v2",
}
# Beginnings of names, without `-` and `_`, and what to use instead.
UNSUPPORTED = {
    "yolo": "Use ssd-mobilenet-v2",
    "maskrcnn": "Masks become their bounding boxes; use ssd-mobilenet-v2",
}


def resolve_name(name: str, known: Collection[str]) -> tuple[str, str | None]:
    """Return the model that a name means, and a note if it has another name here; `-`, `_` and capitals do not matter.

    Raises:
        TrainingError: The name means no known model; the message lists the choices.
    """
    plain = name.strip().lower().replace("_", "-")
    current = ALIASES.get(plain, plain)
    choices = ", ".join([AUTO, *sorted(known)])
    for beginning, remedy in UNSUPPORTED.items():
        if current not in known and current.replace("-", "").startswith(beginning):
            raise TrainingError(f"--model: {name!r} is not supported yet; expected one of: {choices}. {remedy}.")
    if current not in known and current != AUTO:
        raise TrainingError(f"--model: unknown model {name!r}; expected one of: {choices}.")
    if current == plain:
        return current, None
    return current, f"--model: {name} is called {current} here; it starts from --base-model, not from COCO weights."


def choose(base_model: str, requested: RequestedConfig, samples: Sequence[Sample]) -> Recommendation:
    """Choose the model for these training samples; a run or a file of weights as base model decides itself."""
    path = Path(base_model)
    if path.is_dir():
        earlier = earlier_run.read(path)
        return Recommendation(
            earlier.config.model, f"{earlier.config.model} is chosen: {earlier.name} is a run of this model."
        )
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
