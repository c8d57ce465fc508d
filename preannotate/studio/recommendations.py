"""What to say before a training: whether there is enough to learn from, and which model suits it."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preannotate.studio.families import Family, families, measured
from preannotate.studio.list_rows import TaskDetail
from preannotate.studio.machines import gpus
from runtime.letterbox import Letterbox
from trainer import input_size
from trainer.datasets.dataset import MIN_IMAGES
from trainer.datasets.health import FEW_BOXES, FEW_BOXES_OF_A_CLASS, INVISIBLE_BELOW
from trainer.recommendation import TrainingConditions, recommend

OK, FEW, NONE = "ok", "few", "none"
NOT_MEASURED = "not measured"
# Of the images that training gets: the rest validates.
_TRAINING_PART = 0.85


@dataclass(frozen=True)
class DataAssessment:
    """What the annotations are good for.

    Attributes:
        level: `OK`; `FEW`: a training is possible and would be poor; `NONE`: it is refused.
        sentences: Whole ones, with the numbers; the most important first.
    """

    level: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class ModelChoice:
    """A model that can be trained.

    Attributes:
        name: For `--model`.
        line: When to choose it.
        speed: Measured: "inference 1.9 times as long as ssd-mobilenet-v2"; or "not measured".
        accuracy: Measured: "mAP50 0.93 on 40 photos of …"; or "not measured".
        recommended: Whether `--model auto` would take it for these annotations on this machine.
        why: The sentence of `--model auto`, for the recommended one; else "".
    """

    name: str
    line: str
    speed: str
    accuracy: str
    recommended: bool
    why: str = ""


def assess_annotations(detail: TaskDetail) -> DataAssessment:
    """Whether there is enough to learn from: the trainer's own limits, before anything is fetched."""
    if detail.usable:
        return DataAssessment(NONE, (_capital(detail.usable), *_automatic(detail), *_left_out(detail)))
    frames = detail.annotated_frames + detail.empty_frames
    if frames < MIN_IMAGES:
        return DataAssessment(
            NONE,
            (
                f"{_count(frames, 'frame')} to learn from; expected at least {MIN_IMAGES}. Annotate more frames.",
                *_automatic(detail),
                *_left_out(detail),
            ),
        )
    few = tuple(_few(detail))
    more = (*_automatic(detail), *_boxless(detail), *_left_out(detail), *_uncounted(detail))
    total = f"{_count(sum(detail.boxes.values()), 'box', 'boxes')} on {_count(detail.annotated_frames, 'frame')}."
    return DataAssessment(FEW if few else OK, (*few, total, *more))


def model_choices(detail: TaskDetail, *, base_model: str = "imagenet") -> list[ModelChoice]:
    """All models, the recommended one first.

    Args:
        detail: What would be learnt from.
        base_model: "imagenet" or "none".
    """
    able = [name for name, family in families().items() if base_model in ("none", *family.pretrained)] or list(
        families()
    )
    chosen, why = "", ""
    if detail.annotated_frames and detail.image_size != (0, 0):
        size = input_size.choose([detail.image_size])
        found = recommend(
            TrainingConditions(
                images=max(1, round((detail.annotated_frames + detail.empty_frames) * _TRAINING_PART)),
                sides=_sides(detail, size),
                input_size=size,
                gpu=bool(gpus()),
                pretrained=base_model != "none",
                cached=[name for name in able if families()[name].at_hand(_keras_cache())],
                models=able,
            )
        )
        chosen, why = found.model, found.why
    choices = [
        ModelChoice(name, family.line, _speed(name), _accuracy(family), name == chosen, why if name == chosen else "")
        for name, family in families().items()
    ]
    return sorted(choices, key=lambda choice: not choice.recommended)


def _few(detail: TaskDetail) -> list[str]:
    boxes = sum(detail.boxes.values())
    sentences = []
    if boxes < FEW_BOXES:
        sentences.append(
            f"Only {_count(boxes, 'box', 'boxes')}: expect a detector that finds objects much like those annotated and "
            f"misses many others. {FEW_BOXES} and more are better."
        )
    for label in detail.labels:
        if label.learnable and 0 < label.boxes < FEW_BOXES_OF_A_CLASS:
            sentences.append(
                f"Only {_count(label.boxes, 'box', 'boxes')} of {label.name!r}: expected at least "
                f"{FEW_BOXES_OF_A_CLASS} before it is found reliably."
            )
    if nothing := [repr(label.name) for label in detail.labels if label.learnable and not label.boxes]:
        sentences.append(f"No box of {', '.join(nothing)}: the model will not know it. Annotate some.")
    if detail.sides and detail.image_size != (0, 0):
        sides = _sides(detail, input_size.choose([detail.image_size]))
        tiny = sum(side < INVISIBLE_BELOW for side in sides)
        if tiny * 10 > len(sides):
            sentences.append(
                f"{tiny / len(sides):.0%} of the boxes are smaller than {INVISIBLE_BELOW} pixels in the network's "
                f"input: too small to be found. Choose a larger image_size."
            )
    return sentences


def _automatic(detail: TaskDetail) -> list[str]:
    if not detail.automatic:
        return []
    return [
        f"{_count(detail.automatic, 'box was', 'boxes were')} drawn by a model and changed by nobody: training leaves "
        f"them out. Correct what is wrong, and complete the job once the rest is right."
    ]


def _boxless(detail: TaskDetail) -> list[str]:
    return [
        f"Label {label.name!r} is of the type {label.type}: its shapes are no boxes, so nothing is learnt for it."
        for label in detail.labels
        if not label.learnable
    ]


def _left_out(detail: TaskDetail) -> list[str]:
    return [f"Left out: {_count(count, 'frame')} {reason}." for reason, count in detail.left_out.items() if count]


def _uncounted(detail: TaskDetail) -> list[str]:
    if detail.counted_jobs >= detail.all_jobs:
        return []
    return [f"Counted in {detail.counted_jobs} of {detail.all_jobs} jobs; the training takes all of them."]


def _sides(detail: TaskDetail, size: tuple[int, int]) -> list[float]:
    """Root of the area of boxes, pixels of the network's input."""
    letterbox = Letterbox.fit(detail.image_size, size)
    scale = letterbox.to_input(np.array([[0.0, 0.0, 1.0, 1.0]]))
    factor = float(((scale[0, 2] - scale[0, 0]) * (scale[0, 3] - scale[0, 1])) ** 0.5)
    return [side * factor for side in detail.sides]


def _speed(name: str) -> str:
    found, other = measured()["models"].get(name), measured()["relative_to"]
    if found is None or not found.get("inference"):
        return NOT_MEASURED
    if name == other:
        return "the fastest; the others are measured against it"
    return (
        f"{found['inference']:.2g} times the time of {other} for an image, {found['training']:.2g} for a training step"
    )


def _accuracy(family: Family) -> str:
    if not family.scores:
        return NOT_MEASURED
    scores = "; ".join(
        f"{map50:.2f} on {data.partition(',')[0]} ({photos} photos)" for data, photos, map50 in family.scores
    )
    return f"mAP50 {scores}"


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
