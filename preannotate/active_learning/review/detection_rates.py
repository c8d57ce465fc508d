"""How often the model finds what people drew: what it means that it sees nothing where somebody drew a box.

Counted on the same frames, for most annotations are right. Few frames say little: each share begins at a half and
moves with the evidence (Laplace's rule).

How often people agree with a score was counted, too, by isotonic regression, and put in place of the score itself: on
the photos of benchmarks/review.py fewer mistakes came first, so scores stand for themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.outcomes import SAME_OBJECT_FROM
from preannotate.active_learning.review.frames import ReviewedFrame
from runtime.boxes import area, iou

# So many objects of about the same size are looked at: these are found about as often.
_SAME_SIZE = 20


@dataclass(frozen=True)
class DetectionRates:
    """See the module.

    Attributes:
        recalls: For each class, the share of drawn objects that are found.
        areas: (M,) of all drawn objects of known classes.
        found: (M,) whether each is found.
    """

    recalls: tuple[float, ...]
    areas: np.ndarray
    found: np.ndarray

    @classmethod
    def of(cls, views: Sequence[ReviewedFrame], thresholds: Sequence[float]) -> "DetectionRates":
        """Count on all frames.

        Args:
            views: The frames.
            thresholds: Of the classes.
        """
        objects = [one for view in views for one in _objects(view, thresholds)]
        return cls(
            tuple(_share([found for _, known, found in objects if known == one]) for one in range(len(thresholds))),
            np.array([size for size, _, _ in objects]),
            np.array([found for _, _, found in objects], bool),
        )

    def share(self, class_id: int, size: float) -> float:
        """How often an object is found, in (0, 1): those of its class, or those of its area in pixels if fewer."""
        if not len(self.areas):
            return self.recalls[class_id]
        unlike = np.abs(np.log(self.areas / size))
        near = unlike <= np.sort(unlike)[:_SAME_SIZE][-1]  # all that are as near as the last of them
        return min(self.recalls[class_id], _share(self.found[near].tolist()))


def _objects(view: ReviewedFrame, thresholds: Sequence[float]) -> list[tuple[float, int, bool]]:
    """Area, class, and whether a sure detection of the class is on it, of each object of a known class."""
    sure = np.array([one.score >= thresholds[one.class_id] for one in view.detections], bool)
    on = iou(view.found_boxes, view.boxes) >= np.float32(SAME_OBJECT_FROM)
    same = view.found_class_ids[:, None] == view.class_ids[None]
    found = (on & same & sure[:, None]).any(axis=0)
    areas = area(view.boxes)
    return [
        (float(areas[row]), one.class_id, bool(found[row])) for row, one in enumerate(view.drawn) if one.class_id >= 0
    ]


def _share(found: Sequence[bool]) -> float:
    """Of what is found, with one object found and one not found added."""
    return (sum(found) + 1) / (len(found) + 2)
