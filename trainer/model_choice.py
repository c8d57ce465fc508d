"""The model that `--model` names, also by names of other tools; `auto` is the base model's or the recommended one."""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from preannotate.core.errors import PreannotateError
from preannotate.core.memory import free_memory
from preannotate.core.text import printable
from preannotate.formats.records import OUTLINE_KINDS
from runtime.letterbox import Letterbox
from trainer import base_weights, earlier_run, input_size
from trainer.config import RequestedConfig
from trainer.datasets import Sample
from trainer.earlier_run import EarlierRun
from trainer.errors import TrainingError
from trainer.measured_models import estimate_minutes, training_memory
from trainer.models import MODELS
from trainer.models.family import ModelFamily
from trainer.published_weights import MASKS_SUFFIX
from trainer.recommendation import (
    COCO_MODELS,
    FAST,
    OUTLINED_SHARE,
    SMALLEST,
    Recommendation,
    TrainingConditions,
    recommend,
)
from trainer.request import AUTO, NONE

log = logging.getLogger(__name__)

# Names in TensorFlow's Object Detection API, which CVAT users know; these start from COCO weights there.
TENSORFLOW_NAMES = {
    "ssd-mobilenet-v2-coco": "ssd-mobilenet-v2",
    "frcnn-res50-coco": "frcnn-resnet50",
    "frcnn-res101-coco": "frcnn-resnet101",
    "frcnn-nas-coco": "frcnn-nas",
    "faster-rcnn-inception-resnet-v2": "frcnn-inception-resnet-v2",
    "mask-rcnn-resnet50-atrous-coco": "mask-rcnn-resnet50",
    "mask-rcnn-resnet101-atrous-coco": "mask-rcnn-resnet101",
}
MASK_RCNN = "mask-rcnn-resnet50"
ALIASES = {**TENSORFLOW_NAMES, "yolo": FAST, "yolox": FAST, "mask-rcnn": MASK_RCNN, "maskrcnn": MASK_RCNN}
# Beginnings of names, without `-` and `_`, and what to do instead.
NOT_TRAINED = {
    "yolox": f"Use {', '.join(COCO_MODELS[:-1])} or {COCO_MODELS[-1]}",
    "yolo": f"Use {FAST}; `preannotate import` packages a YOLO that was trained elsewhere",
    "maskrcnn": f"Use {MASK_RCNN}, or {FAST}{MASKS_SUFFIX}, which is faster",
}


def resolve_name(name: str, known: Collection[str]) -> tuple[str, str | None]:
    """Return the model that a name means, and a note if it has another name here; `-`, `_` and capitals do not matter.

    Raises:
        TrainingError: The name means no known model; the message lists the choices.
    """
    plain = name.strip().lower().replace("_", "-")
    current = ALIASES.get(plain, plain)
    choices = ", ".join([AUTO, *sorted(known)])
    if current not in known and current != AUTO:
        for beginning, remedy in NOT_TRAINED.items():
            if current.replace("-", "").startswith(beginning):
                raise TrainingError(f"--model: {name!r} is not trained here; expected one of: {choices}. {remedy}.")
        raise TrainingError(f"--model: unknown model {name!r}; expected one of: {choices}.")
    if current == plain:
        return current, None
    from_where = "; it starts from ImageNet weights, not from COCO's" if plain in TENSORFLOW_NAMES else ""
    return current, f"--model: {printable(name)} is called {current} here{from_where}."


def choose(base_model: str, requested: RequestedConfig, samples: Sequence[Sample]) -> Recommendation:
    """Choose the model for these training samples; a run or a file of weights as base model decides itself."""
    path = Path(base_model)
    if path.is_dir():
        return _of_run(earlier_run.read(path), _outlined(samples))
    if path.is_file():
        return _fitting(path, requested, _outlined(samples))
    pretrained = base_model != NONE
    boxes_only = {name: family for name, family in MODELS.items() if not family.learns_masks}
    able = [name for name, family in boxes_only.items() if _is_able(family, base_model, requested.alpha)]
    able = able or list(boxes_only)
    here = _here(able, get=pretrained)
    size_for = functools.cache(functools.partial(_input_size, requested, samples))
    size = size_for(MODELS[able[0] if pretrained else SMALLEST].defaults.side)
    gpu, free = _has_gpu(), free_memory()
    return recommend(
        TrainingConditions(
            images=len(samples),
            sides=_sides(samples, size),
            input_size=size,
            gpu=gpu,
            pretrained=pretrained,
            coco=[name for name in here if MODELS[name].weights],
            imagenet=[name for name in here if not MODELS[name].weights],
            models=able,
            outlined=_outlined(samples),
            with_masks=[
                name
                for name, family in MODELS.items()
                if family.learns_masks and _is_able(family, base_model, requested.alpha)
            ],
            memory=training_memory(),
            free_memory=None if free is None else free / 1e9,
            minutes={}
            if gpu
            else estimate_minutes(
                {name: MODELS[name].defaults for name in able},
                len(samples),
                size_for,
                dataclasses.asdict(requested),
                pretrained=pretrained,
            ),
        )
    )


def _of_run(earlier: EarlierRun, outlined: float) -> Recommendation:
    """Return the model of a run, or the same with masks if most objects were drawn as outlines."""
    model = earlier.config.model
    if with_masks := _with_masks(model, outlined):
        return _for_outlines(with_masks, model, f"{earlier.name} is a run of {model}", outlined)
    return Recommendation(model, f"{model} is chosen: {earlier.name} is a run of this model.")


def _for_outlines(with_masks: str, model: str, reason: str, outlined: float) -> Recommendation:
    """Return a model with masks in place of `model`, on which the base model decided."""
    why = (
        f"{with_masks} is chosen: {reason}, and {outlined:.0%} of the objects were drawn as outlines, so it learns "
        f"these too; for boxes alone: --model {model}."
    )
    if model not in COCO_MODELS and not _has_gpu():
        why += f" Without a GPU, --model {FAST}{MASKS_SUFFIX} --base-model auto is several times faster."
    return Recommendation(with_masks, why)


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def _with_masks(model: str, outlined: float) -> str | None:
    """Return the model that is the same but for masks, if most objects were drawn as outlines and there is one."""
    if outlined < OUTLINED_SHARE:
        return None
    return next((name for name, family in MODELS.items() if family.without_masks == model), None)


def _outlined(samples: Sequence[Sample]) -> float:
    """Return the part of the objects that were drawn as outlines."""
    outlines = sum(sample.converted.get(kind, 0) for sample in samples for kind in OUTLINE_KINDS)
    return min(outlines / max(sum(len(sample.boxes) for sample in samples), 1), 1.0)


def _is_able(family: ModelFamily, base_model: str, alpha: float | None) -> bool:
    """Whether a family can start from these weights with this width."""
    return base_model in (AUTO, NONE, *family.pretrained) and alpha in (None, *family.alphas)


def _here(able: Sequence[str], *, get: bool) -> list[str]:
    """Return the models whose published weights are on this machine.

    With `get`, those of the fast model are downloaded if no model has COCO weights here. What cannot be had, or is
    damaged, is logged: there are other models.
    """
    problems: dict[str, None] = {}

    def is_here(name: str, *, download: bool = False) -> bool:
        family = MODELS[name]
        try:
            if download and family.weights:
                return family.weights.find(family.weights.names[0]) is not None
            return family.is_cached()
        except PreannotateError as error:
            problems[str(error)] = None
            return False

    here = [name for name in able if is_here(name)]
    with_weights = [name for name in able if MODELS[name].weights]
    if get and FAST in with_weights and not set(with_weights) & set(here) and is_here(FAST, download=True):
        here.append(FAST)
    for problem in problems:
        log.warning("%s", problem)
    return here


def _fitting(file: Path, requested: RequestedConfig, outlined: float) -> Recommendation:
    for name, family in MODELS.items():
        with contextlib.suppress(TrainingError):
            base_weights.resolve(str(file), alpha=requested.alpha, family=family)
            of_it = "its weights" if family.weights else "weights of its backbone"
            if with_masks := _with_masks(name, outlined):
                return _for_outlines(with_masks, name, f"{printable(file.name)} has {of_it}", outlined)
            return Recommendation(name, f"{name} is chosen: {printable(file.name)} has {of_it}.")
    raise TrainingError(
        f"--base-model {file.name}: fits no model; expected weights of a detector, or of a backbone without top. "
        f"Name a model with --model to see why it does not fit."
    )


def _input_size(requested: RequestedConfig, samples: Sequence[Sample], side: int) -> tuple[int, int]:
    """Return the input size of a training with these arguments, of a model with this `Defaults.side`."""
    found = input_size.for_samples(samples, side=side, image_size=requested.image_size, minutes=requested.max_minutes)
    return found.size


def _sides(samples: Sequence[Sample], size: tuple[int, int]) -> list[float]:
    """Return the square root of the area of each box, in input pixels."""
    boxes = np.concatenate([Letterbox.fit(sample.image_size, size).to_input(sample.boxes) for sample in samples])
    return np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)).tolist()
