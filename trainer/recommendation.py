"""`--model auto`: which model suits a dataset and a machine, and why.

The rules are few and simple, since little is measured: weights that are at hand decide between the fast models,
and only a GPU, many images and small or crowded objects speak for Faster R-CNN.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

FAST, PACKAGED, TWO_STAGE = "ssd-mobilenet-v2", "ssd-efficientnet-lite0", "frcnn-resnet50"
# Fewer photos do not train the second stage of a large network; an opinion, not a measurement.
MANY_IMAGES = 500
# COCO's limit of small objects, here in pixels of the input: at stride 8 they have four cells in each direction.
SMALL = 32
MOSTLY = 0.5
CROWDED = 10
# Two cells of the finest feature level: smaller objects are found badly.
TINY = 16
TINY_SHARE = 0.1


@dataclass(frozen=True)
class TrainingConditions:
    """What is known before training.

    Attributes:
        images: Of the training part.
        sides: Root of the area of each box in the input, pixels.
        input_size: (width, height) that these pixels refer to.
        gpu: Whether there is one.
        pretrained: Whether pretrained weights are wanted.
        cached: Models whose pretrained weights are on this machine.
        models: Those that can start from what was asked for.

    """

    images: int
    sides: Sequence[float]
    input_size: tuple[int, int]
    gpu: bool
    pretrained: bool
    cached: Collection[str]
    models: Collection[str]


@dataclass(frozen=True)
class Recommendation:
    """A model and the sentence that says why."""

    model: str
    why: str


def recommend(facts: TrainingConditions) -> Recommendation:
    """The model for a dataset on a machine."""
    model, reason = _choice(facts)
    data = f"{facts.images} training images with {len(facts.sides) / facts.images:.1f} objects each"
    if len(facts.sides):
        half = f"{np.median(facts.sides):.0f} pixels in an input of {'{}x{}'.format(*facts.input_size)}"
        data += f", half of them smaller than {half}"
    why = f"{model} is chosen: {reason}; {data}."
    return Recommendation(model, " ".join([why, *_larger_input(facts)]))


def _choice(facts: TrainingConditions) -> tuple[str, str]:
    if len(facts.models) == 1:
        return next(iter(facts.models)), "no other model can start from these weights"
    small = np.mean(np.less(facts.sides, SMALL)) >= MOSTLY if len(facts.sides) else False
    crowded = len(facts.sides) >= CROWDED * facts.images
    hard = "small objects" if small else "many objects in an image"
    if facts.gpu and TWO_STAGE in facts.models and facts.images >= MANY_IMAGES and (small or crowded):
        return TWO_STAGE, f"there are a GPU, enough images and {hard}, for which two stages are made"
    if not facts.pretrained:
        return FAST, "without pretrained weights the smallest network learns soonest"
    if FAST in facts.cached:
        return FAST, "it is the fastest, and its pretrained weights are on this machine"
    if PACKAGED in facts.cached:
        return PACKAGED, f"its pretrained weights are installed, those of {FAST} would have to be fetched"
    return FAST, "it is the fastest; Keras will try to fetch its pretrained weights"


def _larger_input(facts: TrainingConditions) -> list[str]:
    """A hint that costs time to follow, and so is left to a person."""
    share = np.mean(np.less(facts.sides, TINY)) if len(facts.sides) else 0
    if share < TINY_SHARE:
        return []
    larger = "{}x{}".format(*(min(side * 2, 1536) for side in facts.input_size))
    return [f"{share:.0%} are smaller than {TINY} pixels there: image_size={larger} would find more of them."]
