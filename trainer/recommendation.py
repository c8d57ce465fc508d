"""`--model auto`: the recommended model for a dataset and a machine, and why; and the one to take for more accuracy.

In trials, detectors pretrained on COCO reached higher scores in a few minutes of fine-tuning than detectors with a
backbone pretrained on ImageNet, of which EfficientNet-Lite0 did best (docs/benchmarks.md has no table of both yet). A
GPU has time for a larger network of the same family. Random weights are taken only where there are no others.

**Boxes or outlines?** People who draw outlines take longer, so they want them: where most objects were drawn as
polygons, masks or ellipses, the same network with masks is chosen, if it can start from weights that are here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from preannotate.core.text import plural
from trainer.measured_models import cores
from trainer.published_weights import MASKS_SUFFIX

# One family in three sizes, the fastest first.
COCO_MODELS = ("yolox-nano", "yolox-tiny", "yolox-s")
FAST = COCO_MODELS[0]
PACKAGED, SMALLEST = "ssd-efficientnet-lite0", "ssd-mobilenet-v2"
# What people want of a model.
FAST_WORD, ACCURATE_WORD = "fast", "accurate"
# COCO's limit of small objects, here in pixels of the input: at stride 8 they have four cells in each direction.
SMALL = 32
# Two cells of the finest feature level: smaller objects are found badly.
TINY = 16
TINY_SHARE = 0.1
# Of the objects, drawn as outlines: from here on outlines are learnt. The others teach boxes.
OUTLINED_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class TrainingConditions:
    """Data and machine, as known before training.

    Attributes:
        sides: Square root of the area of each box, in input pixels.
        input_size: (width, height) that these pixels refer to.
        pretrained: Whether to start from pretrained weights.
        coco: Models whose COCO weights are on this machine.
        imagenet: Models whose ImageNet weights are on this machine.
        models: Models that can start from the requested base model with the requested alpha, the fastest first.
        memory: GB that a model needs for training, of those where it was measured.
        free_memory: GB that are free; None if not known.
        minutes: Of a training of a model, of those where they can be estimated.
        outlined: Part of the objects that were drawn as polygons, masks or ellipses, in [0, 1].
        with_masks: Models that learn masks and can start from the requested base model; not among `models`.
    """

    images: int
    sides: Sequence[float]
    input_size: tuple[int, int]
    gpu: bool
    pretrained: bool
    coco: Collection[str]
    imagenet: Collection[str]
    models: Sequence[str]
    memory: Mapping[str, float] = field(default_factory=dict)
    free_memory: float | None = None
    minutes: Mapping[str, float] = field(default_factory=dict)
    outlined: float = 0.0
    with_masks: Collection[str] = ()

    @property
    def wants_outlines(self) -> bool:
        """Whether most objects were drawn as outlines."""
        return self.outlined >= OUTLINED_SHARE

    def fits(self, model: str) -> bool:
        """Whether there is memory enough to train it, as far as that is known; a GPU has its own."""
        return self.gpu or self.free_memory is None or self.memory.get(model, 0) <= self.free_memory

    def duration(self, model: str) -> str | None:
        """Return "about 4 minutes on 2 CPU cores", which is how long its training takes; None if not known."""
        if model not in self.minutes:
            return None
        return f"about {plural(max(round(self.minutes[model]), 1), 'minute')} on {cores()} CPU cores"


@dataclass(frozen=True)
class Recommendation:
    """A model, and the sentences that give the reasons.

    Attributes:
        accurate: The model of the same family to take for more accuracy; None if there is none to be had here.
    """

    model: str
    why: str
    accurate: str | None = None


def word_for(model: str) -> str | None:
    """Return the word for a model that is recommended; None for one that is only taken for its weights."""
    model = model.removesuffix(MASKS_SUFFIX)
    if model in COCO_MODELS[1:]:
        return ACCURATE_WORD
    return FAST_WORD if model in (FAST, PACKAGED, SMALLEST) else None


def recommend(conditions: TrainingConditions) -> Recommendation:
    """Recommend a model."""
    model, reason = _choice(conditions)
    accurate = _accurate(model, conditions)
    outlines = ""
    if conditions.wants_outlines:
        model, accurate, outlines = _for_outlines(model, accurate, conditions)
    objects = len(conditions.sides) / conditions.images
    data = f"{plural(conditions.images, 'training image')} with {objects:.1f} objects each"
    if len(conditions.sides):
        half = f"{np.median(conditions.sides):.0f} pixels in an input of {'{}x{}'.format(*conditions.input_size)}"
        data += f", half of them smaller than {half}"
    why = f"{model} is chosen{_in_brackets(word_for(model), conditions.duration(model))}: {reason}; {data}."
    return Recommendation(
        model,
        " ".join([why, *filter(None, [outlines]), *_larger_input(conditions), *_more_accurate(accurate, conditions)]),
        accurate,
    )


def _for_outlines(model: str, accurate: str | None, conditions: TrainingConditions) -> tuple[str, str | None, str]:
    """Return the two models with masks in place of those without, and a sentence about it."""
    drawn = f"{conditions.outlined:.0%} of the objects were drawn as outlines"
    if not conditions.pretrained:  # random weights either way
        model = FAST
    if f"{model}{MASKS_SUFFIX}" not in conditions.with_masks:
        fast = f"{FAST}{MASKS_SUFFIX}"
        able = fast if fast in conditions.with_masks else next(iter(conditions.with_masks), None)
        how = f"--model {able} learns them" if able else "no model that learns them can start from these weights"
        how += f", and needs the COCO weights of {FAST}" if able == fast else ""
        return model, accurate, f"{drawn}, and only the boxes around them are learnt: {how}."
    larger = f"{accurate}{MASKS_SUFFIX}" if accurate else None
    sentence = f"{drawn}, so it learns outlines too; for boxes alone: --model {model}."
    return f"{model}{MASKS_SUFFIX}", larger if larger in conditions.with_masks else None, sentence


def _choice(conditions: TrainingConditions) -> tuple[str, str]:
    if len(conditions.models) == 1:
        return next(iter(conditions.models)), "no other model can start from these weights with this width"
    if not conditions.pretrained:
        return _smallest(conditions), "without pretrained weights the smallest network learns soonest"
    if all(model in COCO_MODELS for model in conditions.models) and not conditions.coco:
        return conditions.models[0], "it is the fastest that starts from COCO weights"
    able = [model for model in conditions.models if conditions.fits(model)] or [*conditions.models]
    pretrained = [model for model in COCO_MODELS if model in able and model in conditions.coco]
    if pretrained and conditions.gpu:
        return pretrained[-1], "it is pretrained on COCO, and a GPU has time for the larger network"
    if pretrained:
        return pretrained[0], "it is pretrained on COCO, so it needs few images and minutes"
    weights = [model for model in able if model in conditions.imagenet]
    missing = f", COCO weights for {FAST} are not here" if FAST in conditions.models else ""
    if PACKAGED in weights:
        return PACKAGED, f"its ImageNet weights are installed{missing}"
    if weights:
        return weights[0], f"its ImageNet weights are on this machine{missing}"
    return _smallest(conditions), f"Keras will try to fetch its ImageNet weights{missing}"


def _smallest(conditions: TrainingConditions) -> str:
    return SMALLEST if SMALLEST in conditions.models else conditions.models[0]


def _accurate(model: str, conditions: TrainingConditions) -> str | None:
    """Return the largest network of the same family, if it is another one, can start from its weights and fits."""
    if model not in COCO_MODELS or not conditions.pretrained:
        return None
    larger = COCO_MODELS[COCO_MODELS.index(model) + 1 :]
    able = [one for one in larger if one in conditions.models and one in conditions.coco and conditions.fits(one)]
    return able[-1] if able else None


def _more_accurate(model: str | None, conditions: TrainingConditions) -> list[str]:
    return [f"More accurate: --model {model}{_in_brackets(conditions.duration(model))}."] if model else []


def _in_brackets(*words: str | None) -> str:
    known = ", ".join(filter(None, words))
    return f" ({known})" if known else ""


def _larger_input(conditions: TrainingConditions) -> list[str]:
    """Advise a larger input where many objects are tiny; it costs time, so the user decides."""
    share = np.mean(np.less(conditions.sides, TINY)) if len(conditions.sides) else 0
    if share < TINY_SHARE:
        return []
    larger = "{}x{}".format(*(min(side * 2, 1536) for side in conditions.input_size))
    return [f"{share:.0%} are smaller than {TINY} pixels there: image_size={larger} would find more of them."]
