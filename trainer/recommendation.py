"""`--model auto`: the recommended model for a dataset and a machine, and why.

The rules are few and simple, since little is measured: cached weights decide between the fast models, and only a GPU,
many images and small or crowded objects speak for Faster R-CNN.
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
    """Data and machine, as known before training.

    Attributes:
        sides: Square root of the area of each box, in input pixels.
        input_size: (width, height) that these pixels refer to.
        pretrained: Whether to start from pretrained weights.
        cached: Models whose pretrained weights are on this machine.
        models: Models that can start from the requested base model.
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
    """A model, and the sentence that gives the reasons."""

    model: str
    why: str


def recommend(conditions: TrainingConditions) -> Recommendation:
    """Recommend a model."""
    model, reason = _choice(conditions)
    data = f"{conditions.images} training images with {len(conditions.sides) / conditions.images:.1f} objects each"
    if len(conditions.sides):
        half = f"{np.median(conditions.sides):.0f} pixels in an input of {'{}x{}'.format(*conditions.input_size)}"
        data += f", half of them smaller than {half}"
    why = f"{model} is chosen: {reason}; {data}."
    return Recommendation(model, " ".join([why, *_larger_input(conditions)]))


def _choice(conditions: TrainingConditions) -> tuple[str, str]:
    if len(conditions.models) == 1:
        return next(iter(conditions.models)), "no other model can start from these weights"
    small = np.mean(np.less(conditions.sides, SMALL)) >= MOSTLY if len(conditions.sides) else False
    crowded = len(conditions.sides) >= CROWDED * conditions.images
    hard = "small objects" if small else "many objects in an image"
    if conditions.gpu and TWO_STAGE in conditions.models and conditions.images >= MANY_IMAGES and (small or crowded):
        return TWO_STAGE, f"there are a GPU, enough images and {hard}, for which two stages are made"
    if not conditions.pretrained:
        return FAST, "without pretrained weights the smallest network learns soonest"
    if FAST in conditions.cached:
        return FAST, "it is the fastest, and its pretrained weights are on this machine"
    if PACKAGED in conditions.cached:
        return PACKAGED, f"its pretrained weights are installed, those of {FAST} would have to be fetched"
    return FAST, "it is the fastest; Keras will try to fetch its pretrained weights"


def _larger_input(conditions: TrainingConditions) -> list[str]:
    """Advise a larger input where many objects are tiny; it costs time, so the user decides."""
    share = np.mean(np.less(conditions.sides, TINY)) if len(conditions.sides) else 0
    if share < TINY_SHARE:
        return []
    larger = "{}x{}".format(*(min(side * 2, 1536) for side in conditions.input_size))
    return [f"{share:.0%} are smaller than {TINY} pixels there: image_size={larger} would find more of them."]
