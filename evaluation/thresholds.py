"""The score from which a detection is worth showing: for each class the one that costs the fewest seconds to correct.

The seconds as a function of one class's threshold change only at scores that were observed, so all values are tried.
They depend on the other classes' thresholds too (one object may be detected as two classes), so the classes take
turns until none moves: coordinate descent. Of thresholds that cost the same, the middle of the widest range is chosen:
the next images will not score exactly as these did.

A class with few boxes, or one that is never found, uses the threshold that is best for all classes together. No
threshold hides more than half of the detections that are of the right object and label: on a few odd images hiding
a whole class is cheapest, because its objects were found as another class too and a changed label costs little.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.corrections import CorrectionCosts, Corrections
from evaluation.ground_truth import AnnotatedImage
from evaluation.outcomes import compare_image, without_suppressed
from runtime.boxes import iou
from runtime.detector import SHOWN_FROM, Detection

MIN_BOXES = 5
# With nothing to choose by; below LOWEST noise would be shown, above HIGHEST all would be hidden, on other images.
FALLBACK, LOWEST, HIGHEST = 0.3, SHOWN_FROM, 0.95
# Of descent; two or three are enough.
_ROUNDS = 6


@dataclass(frozen=True)
class ThresholdSweep:
    """Seconds of correction for every threshold of one class, or of several together.

    Attributes:
        edges: float64 (M + 1,), falling from `HIGHEST` to `LOWEST`.
        seconds: float64 (M,): the seconds for a threshold above `edges[m + 1]`, up to `edges[m]`.
    """

    edges: np.ndarray
    seconds: np.ndarray

    def best(self, at_most: float) -> float:
        """The middle of the widest range of thresholds with the fewest seconds, none above `at_most`."""
        allowed = self.edges[1:] < at_most
        if not allowed.any() or self.seconds.max() == self.seconds.min():
            return FALLBACK
        highs, lows = np.minimum(self.edges[:-1], at_most), self.edges[1:]
        cheapest = np.flatnonzero(allowed & (self.seconds <= self.seconds[allowed].min() + 1e-9))
        ranges = np.split(cheapest, np.flatnonzero(np.diff(cheapest) > 1) + 1)
        high, low = max(((highs[part[0]], lows[part[-1]]) for part in ranges), key=lambda r: r[0] - r[1])
        return round(float((high + low) / 2), 4)

    def at(self, threshold: float) -> float:
        """The seconds at one threshold."""
        piece = int((self.edges[1:] >= threshold).sum())
        return float(self.seconds[min(piece, len(self.seconds) - 1)])


class ThresholdSearch:
    """Detections of some images, beside their objects, with the seconds of every choice of thresholds."""

    def __init__(
        self,
        images: Sequence[AnnotatedImage],
        detections: Sequence[Sequence[Detection]],
        costs: CorrectionCosts,
        agnostic_iou_threshold: float | None = None,
    ) -> None:
        """Compare; `agnostic_iou_threshold` as in `Postprocess`: of boxes on each other only the best is shown."""
        self._costs = costs
        self._agnostic_iou_threshold = agnostic_iou_threshold
        # What is never shown need not be compared.
        kept = [[detection for detection in found if detection.score >= LOWEST] for found in detections]
        self._found = kept
        self._comparisons = [compare_image(image, found) for image, found in zip(images, kept, strict=True)]
        self._overlapping = [self._rows_that_overlap(found) for found in kept]
        self._scores = [np.array([detection.score for detection in found], float) for found in kept]

    def sweep(self, classes: Collection[int], thresholds: Sequence[float]) -> ThresholdSweep:
        """Move the threshold of some classes together.

        Args:
            classes: Their ids.
            thresholds: One for each class; those of `classes` do not matter.
        """
        moving = [np.isin(image.class_ids, list(classes)) for image in self._comparisons]
        shown = [
            scores >= np.where(moves, HIGHEST, np.asarray(thresholds)[image.class_ids])
            for image, scores, moves in zip(self._comparisons, self._scores, moving, strict=True)
        ]
        of_image = [self._seconds(index, shown[index]) for index in range(len(shown))]
        total = sum(of_image)
        joining = sorted(
            (
                (-float(self._scores[index][row]), index, int(row))
                for index, moves in enumerate(moving)
                for row in np.flatnonzero(moves & ~shown[index])
            ),
        )
        edges, seconds = [HIGHEST], [total]
        for number, (negative, index, row) in enumerate(joining):
            shown[index][row] = True
            total -= of_image[index]
            of_image[index] = self._seconds(index, shown[index])
            total += of_image[index]
            if edges[-1] == -negative and number:  # another of the same score: they are shown together
                seconds[-1] = total
            else:
                edges.append(-negative)
                seconds.append(total)
        return ThresholdSweep(np.array([*edges, LOWEST]), np.array(seconds))

    def half_of_right(self, classes: Collection[int]) -> float:
        """The median score of detections of some classes that are of the right object and label; 0 for none."""
        right = [
            self._scores[index][pair.detection]
            for index, image in enumerate(self._comparisons)
            for pair in image.outcome(self._visible(index, np.ones(len(image.boxes), bool))).pairs
            if pair.same_label and image.class_ids[pair.detection] in classes
        ]
        return float(np.median(right)) if right else 0.0

    def best(self, classes: Collection[int], thresholds: Sequence[float]) -> float:
        """The threshold for some classes that costs least, given those of the others."""
        return self.sweep(classes, thresholds).best(min(self.half_of_right(classes), HIGHEST))

    def _seconds(self, index: int, shown: np.ndarray) -> float:
        return Corrections.of(self._comparisons[index].outcome(self._visible(index, shown))).seconds(self._costs)

    def _rows_that_overlap(self, found: Sequence[Detection]) -> np.ndarray:
        """Rows of the detections that may suppress each other; all others need not be looked at again."""
        if self._agnostic_iou_threshold is None or len(found) < 2:
            return np.zeros(0, int)
        boxes = np.array([detection.box for detection in found], np.float32)
        overlaps = iou(boxes, boxes) > self._agnostic_iou_threshold
        return np.flatnonzero(overlaps.sum(axis=1) > 1)  # each overlaps itself

    def _visible(self, index: int, shown: np.ndarray) -> np.ndarray:
        """Which of the shown detections of an image, bool (N,), are not suppressed."""
        rows = self._overlapping[index]
        if not shown[rows].any():
            return shown
        found = self._found[index]
        visible = shown.copy()
        visible[rows] = without_suppressed([found[row] for row in rows], shown[rows], self._agnostic_iou_threshold)
        return visible


def choose_thresholds(
    labels: Sequence[str],
    images: Sequence[AnnotatedImage],
    detections: Sequence[Sequence[Detection]],
    costs: CorrectionCosts,
    agnostic_iou_threshold: float | None = None,
) -> tuple[float, tuple[float, ...]]:
    """Choose thresholds, given how boxes of different classes suppress each other.

    Returns:
        The threshold of all classes together, and one for each class.
    """
    search = ThresholdSearch(images, detections, costs, agnostic_iou_threshold)
    everything = range(len(labels))
    common = search.best(everything, [FALLBACK] * len(labels))
    boxes = np.bincount(np.concatenate([image.class_ids for image in images]), minlength=len(labels))
    own = [
        class_id
        for class_id in everything
        if boxes[class_id] >= MIN_BOXES and len(labels) > 1 and search.half_of_right([class_id])
    ]
    thresholds = [common] * len(labels)
    for _ in range(_ROUNDS):
        before = list(thresholds)
        for class_id in own:
            thresholds[class_id] = search.best([class_id], thresholds)
        if thresholds == before:
            break
    return common, tuple(thresholds)
