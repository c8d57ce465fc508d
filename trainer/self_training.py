"""Self-training: a finished training goes on with images that nobody annotated, which the network annotates itself.

The teacher is the averaged network: before each epoch it detects objects on some of these images, as they are. Its
confident detections become boxes, with their masks if it gives any, doubtful ones ignore regions; what people drew
stays as it is. The student learns from both at once, strongly augmented, and the teacher follows it. Weights that score
lower on the validation images than those of the training before are never kept, so that at worst the plain model stays.

References: Unbiased Teacher, https://arxiv.org/abs/2102.09480; STAC, https://arxiv.org/abs/2005.04757;
Soft Teacher, https://arxiv.org/abs/2106.09018.
"""

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluation.average_precision import ClassMatches, match_class, match_class_masks
from evaluation.ground_truth import AnnotatedImage
from evaluation.scores import Scores
from preannotate.core.text import plural
from runtime.detector import Detection
from runtime.image import DecodedImage
from runtime.masks import InstanceMask
from trainer import checkpoints
from trainer.assigner import IGNORED
from trainer.checkpoints import SelfTraining, TrainingState
from trainer.datasets import Sample
from trainer.example import Example
from trainer.input_pipeline import CACHE_BYTES, ImageCache, Images
from trainer.metrics import decisive_ap
from trainer.schedule import SELF_TRAINING_PART, Schedule
from trainer.self_training_result import SelfTrainingResult, describe
from trainer.training_loop import TrainingLoop, TrainingSetup

log = logging.getLogger(__name__)

# Part of each epoch's images that nobody annotated.
UNLABELLED_PART = 0.5
# Part of the detections on validation images that are right from the score on from which they count as objects, and
# the lowest and highest such score: a few validation images tell little.
PRECISION = 0.9
LOWEST_LIMIT, HIGHEST_LIMIT = 0.4, 0.9
# Fewer boxes of a class say nothing: its limit is that of all classes together.
MIN_BOXES = 10
# Detections down to this score are doubtful, those below are background.
DOUBTFUL_FROM = 0.1
# The highest learning rate, as a part of the initial one.
RATE = 0.25

# Class id, score, box (image pixels), mask or None: of one detection, as JSON keeps it.
FoundObject = tuple[int, float, tuple[float, float, float, float], Any]
# Of random numbers: which images an epoch has does not depend on their order.
_CHOICE = 1


@dataclass(frozen=True)
class PseudoLabels:
    """What the teacher sees on an image: boxes (G, 4), xyxy, image pixels; class ids (G,), IGNORED where doubtful.

    `masks` are one for each box, None where doubtful; empty if there are none.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    masks: tuple[InstanceMask | None, ...] = ()

    @classmethod
    def of(cls, found: Sequence[FoundObject], limits: Sequence[float]) -> "PseudoLabels":
        """Divide what was found on an image by the limits of the classes."""
        confident = [score >= limits[class_id] for class_id, score, _, _ in found]
        masks = tuple(
            InstanceMask.from_json(mask) if is_confident and mask else None
            for (_, _, _, mask), is_confident in zip(found, confident, strict=True)
        )
        return cls(
            np.array([box for _, _, box, _ in found], np.float32).reshape(-1, 4),
            np.array([one[0] if sure else IGNORED for one, sure in zip(found, confident, strict=True)], np.int64),
            masks if any(masks) else (),
        )


@dataclass(frozen=True)
class MixedImages:
    """The images of one epoch: annotated ones, then those with the teacher's boxes.

    Attributes:
        labelled, unlabelled: Of the whole training.
        chosen: Indices of this epoch's annotated images.
        pseudo_labels: This epoch's other images: index and what the teacher sees there.
    """

    labelled: Images
    unlabelled: Images
    chosen: Sequence[int]
    pseudo_labels: Sequence[tuple[int, PseudoLabels]]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.chosen) + len(self.pseudo_labels)

    def __getitem__(self, position: int) -> Example:
        """Return an image with its boxes."""
        if position < len(self.chosen):
            return self.labelled[self.chosen[position]]
        index, labels = self.pseudo_labels[position - len(self.chosen)]
        return replace(
            self.unlabelled[index],
            boxes=labels.boxes,
            class_ids=labels.class_ids,
            masks=labels.masks,
            found_in_whole=True,
        )


class SelfTrainingLoop(TrainingLoop):
    """Self-training after a `TrainingLoop` with the same arguments, whose last state is in the run's folder."""

    _name = "self-training"
    _rate = RATE

    def __init__(self, setup: TrainingSetup, *, unlabelled: Sequence[Sample]) -> None:
        """Prepare it; `unlabelled` are samples without boxes."""
        # It ends with its schedule: its first weights may well score lower than those that it continues from.
        super().__init__(replace(setup, config=replace(setup.config, early_stopping=None)), pretrained=False)
        self._names: list[str] = []
        self._samples = unlabelled
        self._unlabelled = ImageCache(
            unlabelled,
            setup.network_trainer.network.input_size,
            exact=setup.config.augment == "none",
            limit=CACHE_BYTES // 2,
        )

    def train(self) -> TrainingState:
        """Train to the end, from the newest checkpoint; raises as `TrainingLoop.train`."""
        state = self._restore()
        if state.self_training is None:
            begin = functools.partial(self._begin, state)
            checkpoints.load_best(self._run, self._network_trainer.ema_network, state)
            self._network_trainer.start_from_average()
            state = replace(state, **self._workers.from_chief(begin))
        assert state.self_training is not None
        steps = None
        if self._schedule.steps is not None:
            steps = max(round(state.self_training["first_step"] / (1 - SELF_TRAINING_PART)), 1)
        self._schedule = Schedule(steps, self._max_seconds)
        state = self._train_from(state)
        if self._workers.is_chief and (achieved := result(state)):
            log.info("%s", describe(achieved))
        return state

    def _begin(self, state: TrainingState) -> dict[str, Any]:
        """Return what changes in the state, as JSON."""
        limits = choose_limits(self._validator.truth, self._validator.detections(), len(self._validator.labels))
        listed = ", ".join(f"{label} {limit:.2f}" for label, limit in zip(self._validator.labels, limits, strict=True))
        log.info(
            "self-training on %s without annotations; detections count as objects from these scores on: %s",
            plural(len(self._unlabelled), "image"),
            listed,
        )
        assert state.best is not None
        return {
            "progress": 0.0,
            "sound": 0.0,
            "least_part": 0.0,
            "self_training": SelfTraining(
                first_step=state.step,
                plain=state.best["epoch"],
                limits=limits,
                boxes=[None] * len(self._unlabelled),
            ),
        }

    def _epoch_images(self, state: TrainingState) -> Images:
        assert state.self_training is not None
        rng = np.random.default_rng((self._config.seed, state.epoch, 0, _CHOICE))
        others = min(max(round(len(self._train) * UNLABELLED_PART), 1), len(self._unlabelled))
        chosen = rng.permutation(len(self._train))[: max(len(self._train) - others, 1)].tolist()
        unlabelled = rng.permutation(len(self._unlabelled))[:others].tolist()
        self._names = [self._train[index].name for index in chosen]
        self._names += [self._samples[index].name for index in unlabelled]
        found = self._workers.from_chief(functools.partial(self._teach, unlabelled))
        limits = state.self_training["limits"]
        labels = [(index, PseudoLabels.of(of_image, limits)) for index, of_image in zip(unlabelled, found, strict=True)]
        for index, of_image in labels:
            state.self_training["boxes"][index] = int((of_image.class_ids != IGNORED).sum())
        return MixedImages(self._images, self._unlabelled, chosen, labels)

    def _image_name(self, index: int) -> str:
        return self._names[index]

    def _teach(self, indices: Sequence[int]) -> list[list[FoundObject]]:
        """Return what the teacher finds on each image."""
        examples = [self._unlabelled[index] for index in indices]
        return [
            [
                (one.class_id, one.score, one.box, _mask_to_json(one))
                for one in self._validator.detect(DecodedImage(example.image, example.size), DOUBTFUL_FROM)
            ]
            for example in examples
        ]

    def _is_kept(self, scores: Scores, record: float, state: TrainingState) -> bool:
        assert state.self_training is not None
        before = decisive_ap(state.row(state.self_training["plain"]))
        assert before is not None
        # Compared once, at the end: the best of many looks at a few images would be chance.
        return state.finished and scores.mean_ap >= before


def result(state: TrainingState) -> SelfTrainingResult | None:
    """Return what self-training achieved; None without it."""
    if state.self_training is None or state.best is None:
        return None
    plain, boxes = state.self_training["plain"], state.self_training["boxes"]
    before, after = state.row(plain), state.row(state.best["epoch"])
    return SelfTrainingResult(
        images=len(boxes),
        boxes=sum(count or 0 for count in boxes),
        kept=state.best["epoch"] != plain,
        plain_map50=before["map50"] or 0.0,
        plain_mean_ap=before["mean_ap"] or 0.0,
        map50=after["map50"] or 0.0,
        mean_ap=after["mean_ap"] or 0.0,
    )


def _mask_to_json(found: Detection) -> dict[str, Any] | None:
    """Return the mask of a detection that may be confident."""
    return found.mask.to_json() if found.mask is not None and found.score >= LOWEST_LIMIT else None


def choose_limits(
    truth: Sequence[AnnotatedImage], detections: Sequence[Sequence[Detection]], classes: int
) -> list[float]:
    """Return the score of each class from which a detection is probably an object.

    That is the lowest score from which `PRECISION` of the detections on the validation images are right: their masks
    where masks of the class were annotated, else their boxes.
    """
    matches = [_matches(class_id, truth, detections) for class_id in range(classes)]
    counted = [(one.scores, one.hits[0]) if one.ignored is None else _not_ignored(one) for one in matches]
    together = _limit(*(np.concatenate(parts) for parts in zip(*counted, strict=True)))
    enough = [one.boxes.sum() >= MIN_BOXES for one in matches]
    return [_limit(*of_class) if is_enough else together for of_class, is_enough in zip(counted, enough, strict=True)]


def _matches(class_id: int, truth: Sequence[AnnotatedImage], detections: Sequence[Sequence[Detection]]) -> ClassMatches:
    of_masks = match_class_masks(class_id, truth, detections)
    return of_masks if of_masks.boxes.any() else match_class(class_id, truth, detections)


def _not_ignored(matches: ClassMatches) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and hits at IoU 0.5 of detections that do not lie on what was annotated as a box only."""
    assert matches.ignored is not None
    counts = ~matches.ignored[0]
    return matches.scores[counts], matches.hits[0][counts]


def _limit(scores: np.ndarray, hits: np.ndarray) -> float:
    """Return the limit for detections with these scores, of which `hits` are right."""
    order = np.argsort(-scores, kind="stable")
    precision = np.cumsum(hits[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= PRECISION)
    limit = float(scores[order][good[-1]]) if len(good) else HIGHEST_LIMIT
    return round(min(max(limit, LOWEST_LIMIT), HIGHEST_LIMIT), 4)
