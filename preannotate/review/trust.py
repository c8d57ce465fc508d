"""How much the model's word is worth here: learnt from where it and people look at the same frames.

Most annotations are right, so how often people agree with a detection of some score says how often such a detection
is right; how often the model finds what people drew says what it means that it finds nothing; how well its
boxes fit says what a loose one means. Few frames say little: each figure begins at what a model of this kind would
do (`PRIOR`) and moves with the evidence.

Source: calibration by isotonic regression, B. Zadrozny, C. Elkan, "Transforming classifier scores into accurate
multiclass probability estimates", KDD 2002.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.outcomes import RIGHT_FROM, SAME_OBJECT_FROM
from preannotate.review.views import View
from runtime.boxes import area, iou

# So many made-up detections at each of the scores 0.05, 0.15, …, right as often as the score says.
PRIOR = 1.0
_PRIOR_SCORES = np.arange(0.05, 1, 0.1)
# Objects of about the same size are found about as often.
_SAME_SIZE = 20
# Fewer pairs say nothing about how well boxes fit.
_ENOUGH_PAIRS = 10


@dataclass(frozen=True)
class Trust:
    """See the module.

    Attributes:
        curves: For each class, scores in rising order and how often a detection of such a score is right.
        recalls: For each class, how often what people drew is found.
        areas: (M,) of all drawn objects of known classes, in rising order.
        found: (M,) whether each is found.
        fits: For each class, the median overlap of its boxes with those of people.
    """

    curves: tuple[tuple[np.ndarray, np.ndarray], ...]
    recalls: tuple[float, ...]
    areas: np.ndarray
    found: np.ndarray
    fits: tuple[float, ...]

    @classmethod
    def of(cls, views: Sequence[View], thresholds: Sequence[float]) -> "Trust":
        """Learn from all frames.

        Args:
            views: The frames.
            thresholds: Of the classes.
        """
        scores: list[list[tuple[float, bool]]] = [[] for _ in thresholds]
        overlaps: list[list[float]] = [[] for _ in thresholds]
        objects: list[tuple[float, int, bool]] = []
        for view in views:
            served = _served(view, thresholds, scores, overlaps)
            areas = area(view.boxes)
            objects += [
                (float(areas[row]), one.class_id, row in served)
                for row, one in enumerate(view.drawn)
                if one.class_id >= 0
            ]
        objects.sort()
        everything = [value for of_class in overlaps for value in of_class]
        return cls(
            tuple(_curve(of_class) for of_class in scores),
            tuple(
                _share([found for _, known, found in objects if known == class_id]) for class_id in range(len(scores))
            ),
            np.array([size for size, _, _ in objects]),
            np.array([found for _, _, found in objects], bool),
            tuple(_fit(of_class, everything) for of_class in overlaps),
        )

    def right(self, class_id: int, score: float) -> float:
        """How often a detection of this class and score is right, in (0, 1)."""
        scores, shares = self.curves[class_id]
        return float(np.interp(score, scores, shares))

    def finds(self, class_id: int, size: float) -> float:
        """How often an object of this class and area is found, in (0, 1): the lower of both."""
        middle = int(np.searchsorted(self.areas, size))
        first = max(0, min(middle - _SAME_SIZE // 2, len(self.areas) - _SAME_SIZE))
        return min(self.recalls[class_id], _share(self.found[first : first + _SAME_SIZE].tolist()))

    def looseness(self, class_id: int, overlap: float) -> float:
        """How unusual an overlap this small is between the model's boxes and people's: 0 not at all, 1 very."""
        usual = min(self.fits[class_id], RIGHT_FROM)
        least = SAME_OBJECT_FROM / 2
        return float(np.clip((usual - overlap) / (usual - least), 0, 1))


def _served(
    view: View,
    thresholds: Sequence[float],
    scores: list[list[tuple[float, bool]]],
    overlaps: list[list[float]],
) -> set[int]:
    """Give each detection, the best first, the nearest free object of its class; returns objects found surely."""
    all_overlaps = iou(view.found_boxes, view.boxes)
    free = set(range(len(view.drawn)))
    served = set()
    for row, detection in enumerate(view.detections):  # best first
        fitting = [one for one in free if view.drawn[one].class_id == detection.class_id]
        best = max(fitting, key=lambda one: all_overlaps[row, one], default=None)
        right = best is not None and bool(all_overlaps[row, best] >= np.float32(SAME_OBJECT_FROM))
        scores[detection.class_id].append((detection.score, right))
        if right:
            free.remove(best)
            if detection.score >= thresholds[detection.class_id]:
                served.add(best)
                overlaps[detection.class_id].append(float(all_overlaps[row, best]))
    return served


def _curve(observed: Sequence[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and the share of right ones, which never falls: pool adjacent violators."""
    scores = np.concatenate([[score for score, _ in observed], _PRIOR_SCORES])
    rights = np.concatenate([[float(right) for _, right in observed], _PRIOR_SCORES])
    weights = np.concatenate([np.ones(len(observed)), np.full(len(_PRIOR_SCORES), PRIOR)])
    order = np.lexsort((-rights, scores))  # among equal scores the right ones first, so that they are pooled
    blocks: list[tuple[float, float, float, float]] = []  # sums of rights and of weights, first and last score
    for one in order:
        block = (rights[one] * weights[one], weights[one], scores[one], scores[one])
        while blocks and blocks[-1][0] / blocks[-1][1] >= block[0] / block[1]:
            right, weight, first, _ = blocks.pop()
            block = (right + block[0], weight + block[1], first, block[3])
        blocks.append(block)
    ends = np.array([block[2:] for block in blocks]).ravel()
    return ends, np.repeat([right / weight for right, weight, _, _ in blocks], 2)


def _share(found: Sequence[bool]) -> float:
    """Of what is found, with one object found and one not found added: Laplace's rule."""
    return (sum(found) + 1) / (len(found) + 2)


def _fit(of_class: Sequence[float], everything: Sequence[float]) -> float:
    """Median overlap; of all classes where this one has few, and the usual bound where all have few."""
    for values in (of_class, everything):
        if len(values) >= _ENOUGH_PAIRS:
            return float(np.median(values))
    return RIGHT_FROM
