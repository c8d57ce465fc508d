"""How precision falls as recall rises, for one class at IoU 0.5."""

from dataclasses import dataclass

import numpy as np

from evaluation.average_precision import ClassMatches


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """One point for each score at which a detection joins, best score first.

    Attributes:
        thresholds: float64 (P,), falling.
        precision: float64 (P,), part of the detections from this score on that are right.
        recall: float64 (P,), part of the objects that they find.
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    def at(self, threshold: float) -> tuple[float, float] | None:
        """(precision, recall) of what reaches `threshold`; None if nothing does."""
        shown = int((self.thresholds >= threshold).sum())
        return (float(self.precision[shown - 1]), float(self.recall[shown - 1])) if shown else None


def precision_recall_curve(matches: ClassMatches) -> PrecisionRecallCurve:
    """The raw curve, not smoothed as average precision does; empty without detections or without boxes."""
    boxes = int(matches.boxes.sum())
    last_of_score = np.flatnonzero(np.diff(matches.scores, append=-1.0)) if boxes else np.zeros(0, int)
    found = np.cumsum(matches.hits[0])[last_of_score]
    return PrecisionRecallCurve(matches.scores[last_of_score], found / (last_of_score + 1), found / max(boxes, 1))
