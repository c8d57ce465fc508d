"""Advice before a training: whether there are enough annotations, and which model suits them."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from preannotate.core.errors import PreannotateError
from preannotate.core.memory import free_memory
from preannotate.core.text import NOT_MEASURED, format_scores, plural
from preannotate.studio.catalogue import TaskDetail
from preannotate.studio.families import COCO, Family, families
from preannotate.studio.machines import gpus
from runtime.letterbox import Letterbox
from trainer import input_size, published_weights
from trainer.config import Overrides
from trainer.datasets.dataset import MIN_IMAGES
from trainer.datasets.health import FEW_BOXES, FEW_BOXES_OF_A_CLASS, INVISIBLE_BELOW
from trainer.measured_models import estimate_minutes, measured, training_memory
from trainer.recommendation import (
    FAST,
    OUTLINED_SHARE,
    SMALLEST,
    Recommendation,
    TrainingConditions,
    recommend,
    word_for,
)
from trainer.request import AUTO, NONE

# Of the images that training gets: the rest validates.
_TRAINING_PART = 0.85


class Sufficiency(StrEnum):
    """Whether annotations are enough to train on."""

    ENOUGH = "enough"
    FEW = "few"  # the model would be poor
    TOO_FEW = "too few"  # no training is started


@dataclass(frozen=True)
class DataAssessment:
    """Whether the annotations are enough, with the reasons; the most important sentence is the first."""

    level: Sufficiency
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class ModelChoice:
    """A model that can be trained.

    Attributes:
        name: As `--model` names it; "auto" is the first.
        line: When to choose it, for people.
        word: "fast" or "accurate", if it is the recommended one for that.
        minutes: "about 4 minutes on 2 CPU cores", estimated from measurements; None if it cannot be.
        speed: Measured: "inference 1.9 times as long as ssd-mobilenet-v2"; or "not measured".
        accuracy: Measured: "mAP50 0.97, mAP 0.68 on raccoon (160 images)"; or "not measured".
        why: Of "auto": which model it would choose for these annotations on this machine, and why.
        missing_weights: What to do for its published weights, if they are not on this machine.
        outlines: Whether it learns outlines beside boxes.
    """

    name: str
    line: str
    word: str | None
    minutes: str | None
    speed: str | None
    accuracy: str | None
    why: str | None
    missing_weights: str | None
    outlines: bool = False

    @property
    def recommended(self) -> bool:
        """Whether it is the one to take without further thought."""
        return self.name == AUTO


def assess_annotations(detail: TaskDetail) -> DataAssessment:
    """Apply the trainer's own limits, before anything is downloaded."""
    frames = detail.annotated_frames + detail.empty_frames
    problem = detail.problem
    if not problem and frames < MIN_IMAGES:
        problem = f"{plural(frames, 'frame')} to learn from; expected at least {MIN_IMAGES}. Annotate more frames."
    if problem:
        sentences = (problem[0].upper() + problem[1:], *_left_out(detail))
        return DataAssessment(Sufficiency.TOO_FEW, sentences)
    few = tuple(_few(detail))
    more = (*_left_out(detail), *_remarks(detail))
    total = f"{plural(sum(detail.boxes.values()), 'box', 'boxes')} on {plural(detail.annotated_frames, 'frame')}."
    return DataAssessment(Sufficiency.FEW if few else Sufficiency.ENOUGH, (*few, total, *more))


def advise_outlines(detail: TaskDetail) -> str | None:
    """Answer "boxes or outlines?" from what was annotated; None where nothing was."""
    objects, outlines = sum(detail.boxes.values()), detail.outlines
    if not objects:
        return None
    if not outlines:
        return "Boxes: no object was drawn as a polygon, a mask or an ellipse, so there are no outlines to learn."
    were = "was drawn as an outline" if outlines == 1 else "were drawn as outlines"
    drawn = f"{outlines} of {plural(objects, 'object')} {were}"
    if outlines < OUTLINED_SHARE * objects:
        return (
            f"Boxes: only {drawn}. A model with outlines would learn them from these alone, and give boxes for labels "
            f"that mostly have boxes."
        )
    return (
        f"Outlines: {drawn}. Automatic chooses a model that learns these and the boxes, if it can have its weights; "
        f"its detections are polygons or masks in CVAT, as most objects were drawn. For boxes alone, which train "
        f'faster, choose a model without the mark "Boxes and outlines".'
    )


def recommend_model(
    detail: TaskDetail, *, base_model: str = AUTO, overrides: Overrides | None = None
) -> Recommendation | None:
    """Return what `--model auto` would choose with what is on this machine; None if the images are not known.

    `base_model` is "auto" or "none", `overrides` are the requested arguments.
    """
    conditions = _conditions(detail, base_model, overrides or {})
    return None if conditions is None else recommend(conditions)


def model_choices(
    detail: TaskDetail, *, base_model: str = AUTO, overrides: Overrides | None = None
) -> list[ModelChoice]:
    """Return all choices, "auto" first; parameters as of `recommend_model`."""
    conditions = _conditions(detail, base_model, overrides or {})
    recommendation = None if conditions is None else recommend(conditions)
    recommended = (recommendation.model, recommendation.accurate) if recommendation else ()
    automatic = ModelChoice(
        AUTO,
        "By what the images say and by the weights that can be had here",
        word=None,
        minutes=None,
        speed=None,
        accuracy=None,
        missing_weights=None,
        why=f"{_download_first(conditions)}{recommendation.why}" if recommendation else None,
    )
    return [
        automatic,
        *(
            ModelChoice(
                name,
                family.line,
                word=word_for(name) if name in recommended else None,
                minutes=_minutes(name, conditions),
                speed=_speed(name),
                accuracy=_accuracy(family),
                missing_weights=_missing_weights(name),
                why=None,
                outlines=family.learns_masks,
            )
            for name, family in families().items()
        ),
    ]


def _conditions(detail: TaskDetail, base_model: str, overrides: Overrides) -> TrainingConditions | None:
    if not detail.annotated_frames or not detail.image_size:
        return None
    able = {name: family for name, family in families().items() if not family.learns_masks}
    here = [name for name, family in able.items() if family.at_hand(_keras_cache())]
    gpu, free, pretrained = bool(gpus()), free_memory(), base_model != NONE
    size_for = functools.partial(_input_size, detail.sides, detail.image_size, overrides)
    size = size_for(able[FAST if pretrained else SMALLEST].defaults.side)
    images = max(1, round((detail.annotated_frames + detail.empty_frames) * _TRAINING_PART))
    return TrainingConditions(
        images=images,
        sides=_sides(detail.sides, detail.image_size, size),
        input_size=size,
        gpu=gpu,
        pretrained=pretrained,
        coco=[name for name in here if COCO in able[name].pretrained],
        imagenet=[name for name in here if COCO not in able[name].pretrained],
        models=list(able),
        outlined=min(detail.outlines / max(sum(detail.boxes.values()), 1), 1.0),
        with_masks=[name for name, family in families().items() if family.learns_masks],
        memory=training_memory(),
        free_memory=None if free is None else free / 1e9,
        minutes={}
        if gpu
        else estimate_minutes(
            {name: one.defaults for name, one in able.items()}, images, size_for, overrides, pretrained=pretrained
        ),
    )


def _download_first(conditions: TrainingConditions | None) -> str:
    if conditions is None or conditions.coco or not conditions.pretrained:
        return ""
    learns = " to learn boxes and outlines" if conditions.wants_outlines else ""
    return f"Training first tries to download the COCO weights of {FAST}, which it then uses{learns}. Without them: "


def _minutes(name: str, conditions: TrainingConditions | None) -> str | None:
    return None if conditions is None else conditions.duration(name)


def _few(detail: TaskDetail) -> list[str]:
    boxes = sum(detail.boxes.values())
    sentences = []
    if boxes < FEW_BOXES:
        sentences.append(
            f"Only {plural(boxes, 'box', 'boxes')}: the detector will find objects much like the annotated "
            f"ones and miss many others. At least {FEW_BOXES} are recommended."
        )
    for label in detail.labels:
        if label.learnable and 0 < label.boxes < FEW_BOXES_OF_A_CLASS:
            sentences.append(
                f"Only {plural(label.boxes, 'box', 'boxes')} of {label.name!r}: at least "
                f"{FEW_BOXES_OF_A_CLASS} are needed to find it reliably."
            )
    if nothing := [repr(label.name) for label in detail.labels if label.learnable and not label.boxes]:
        sentences.append(f"No boxes of {', '.join(nothing)}: the model will not detect them. Annotate some.")
    if detail.sides and detail.image_size:
        size = _input_size(detail.sides, detail.image_size, {}, families()[FAST].defaults.side)
        sides = _sides(detail.sides, detail.image_size, size)
        tiny = sum(side < INVISIBLE_BELOW for side in sides)
        if tiny * 10 > len(sides):
            sentences.append(
                f"{tiny / len(sides):.0%} of the boxes are smaller than {INVISIBLE_BELOW} pixels in the network's "
                f"input, too small to be found. Choose a larger image_size."
            )
    return sentences


def _left_out(detail: TaskDetail) -> list[str]:
    automatic = (
        f"{plural(detail.automatic, 'box was', 'boxes were')} drawn by a model and never corrected: training leaves "
        f"them out. Correct them, and complete the job when the rest is right."
    )
    frames = [f"Left out: {plural(count, 'frame')} {reason}." for reason, count in detail.left_out.items() if count]
    return [automatic, *frames] if detail.automatic else frames


def _remarks(detail: TaskDetail) -> list[str]:
    sentences = [
        f"Label {label.name!r} has the type {label.type}, which has no boxes: it is ignored."
        for label in detail.labels
        if not label.learnable
    ]
    if detail.counted_jobs < detail.all_jobs:
        sentences.append(f"Counted in {detail.counted_jobs} of {detail.all_jobs} jobs; training uses all of them.")
    return sentences


def _input_size(
    sides: Sequence[float], image_size: tuple[int, int], overrides: Overrides, side: int
) -> tuple[int, int]:
    """Return the input size of a training.

    Args:
        sides: Roots of the boxes' areas, in image pixels.
        image_size: (width, height) of the images.
        overrides: Arguments that are not left to the training.
        side: The model's `Defaults.side`.
    """
    boxes = [(one, one, *image_size) for one in sides]
    wanted, minutes = overrides.get("image_size"), overrides.get("max_minutes")
    return input_size.choose([image_size], boxes, side=side, image_size=wanted, minutes=minutes).size


def _sides(sides: Sequence[float], image_size: tuple[int, int], size: tuple[int, int]) -> list[float]:
    """Convert the sides of boxes from image pixels to pixels of the network's input."""
    letterbox = Letterbox.fit(image_size, size)
    scale = letterbox.to_input(np.array([[0.0, 0.0, 1.0, 1.0]]))
    factor = float(((scale[0, 2] - scale[0, 0]) * (scale[0, 3] - scale[0, 1])) ** 0.5)
    return [side * factor for side in sides]


def _speed(name: str) -> str:
    found, other = measured()["models"].get(name), measured()["relative_to"]
    if found is None or not found.get("inference"):
        return NOT_MEASURED
    if name == other:
        return "the other models are compared with it"
    return (
        f"{found['inference']:.2g} times the inference time of {other}, {found['training']:.2g} times its training time"
    )


def _accuracy(family: Family) -> str:
    if not family.scores:
        return NOT_MEASURED
    return "; ".join(
        f"{format_scores(map50, mean_ap, 2)} on {data} ({plural(images, 'image')})"
        for data, images, map50, mean_ap in family.scores
    )


def _missing_weights(name: str) -> str | None:
    detector = published_weights.detector_of(name)
    if detector not in published_weights.CATALOGUE:
        return None
    try:
        if published_weights.kept(name):
            return None
        if name != detector:  # whose card says how to get them
            return f"The COCO weights of {detector}, from which it starts, are not on this machine."
        return published_weights.how_to_get(name)
    except PreannotateError as error:
        return str(error)


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
