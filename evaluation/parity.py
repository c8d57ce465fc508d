"""Do two artefacts of one model find the same objects? Compared by class and overlap, never by row.

Two engines that agree to the last digit but one may list near-ties in another order, or let the other of two
equally good boxes win the suppression; a comparison by row would call that a difference of half an image.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from runtime.boxes import iou
from runtime.detector import Detection
from runtime.masks import mask_iou

# Detections below are noise that is never shown; they only serve as partners of those above.
MIN_COMPARED_SCORE = 0.05
# Two boxes of one class that overlap by less are two objects.
MATCH_IOU = 0.5
# One detection in so many (but always one) may differ more: a near-tie that noise decided the other way.
NEAR_TIES_ONE_IN = 200


@dataclass(frozen=True)
class Tolerance:
    """How much two detections of the same object may differ.

    Attributes:
        box: Each coordinate, in image pixels.
        masks: The median IoU of all pairs' masks is at least so much.
    """

    box: float
    score: float
    masks: float = 0.999


# Two float32 programs of the same network differ by about 1e-5; wrong pixels or a wrong box by whole units.
FLOAT_NOISE = Tolerance(box=0.1, score=1e-3)
# `runtime.cvat.rectangle` writes hundredths of a pixel and four digits of the score.
ROUNDING = Tolerance(box=0.011, score=6e-5)


@dataclass(frozen=True)
class Difference:
    """How the detections of two artefacts differ over all images.

    Of `detections`, pairs and single ones, `unmatched` have no partner. `largest_box` is in image pixels. IoUs are of
    the masks of pairs in which both have one; None if there is no such pair.
    """

    detections: int
    unmatched: int
    beyond_tolerance: int
    largest_box: float
    largest_score: float
    median_mask_iou: float | None = None
    least_mask_iou: float | None = None

    @property
    def only_noise(self) -> bool:
        """Whether nothing but near-ties differs by more than the tolerance, but for masks."""
        return self.unmatched + self.beyond_tolerance <= max(1, self.detections // NEAR_TIES_ONE_IN)

    def masks_agree(self, tolerance: Tolerance) -> bool:
        """Whether the masks of pairs are the same, too; True without masks."""
        return self.median_mask_iou is None or self.median_mask_iou >= tolerance.masks

    def to_json(self) -> dict[str, float]:
        """Plain JSON, rounded for reading; without masks if there were none."""
        content = {name: value for name, value in asdict(self).items() if value is not None}
        content |= {name: round(value, 6) for name, value in content.items() if name.endswith("_mask_iou")}
        return {
            **content,
            "largest_box": round(self.largest_box, 6),
            "largest_score": round(self.largest_score, 8),
        }


def compare(
    first: Sequence[Sequence[Detection]],
    second: Sequence[Sequence[Detection]],
    tolerance: Tolerance,
    *,
    max_detections: int,
) -> Difference:
    """Compare the detections of two artefacts on the same images.

    Args:
        first: Detections of each image, also those well below `MIN_COMPARED_SCORE`.
        second: The same of the other artefact, in the same order of images.
        tolerance: What counts as equal.
        max_detections: Where the lists were cut off.
    """
    detections = unmatched = beyond = 0
    largest_box = largest_score = 0.0
    overlaps: list[float] = []
    for found_first, found_second in zip(first, second, strict=True):
        least = max(MIN_COMPARED_SCORE, *(_cut_off(found, max_detections) for found in (found_first, found_second)))
        pairs, singles = match_detections(found_first, found_second)
        singles = [detection for detection in singles if detection.score > least]
        pairs = [pair for pair in pairs if max(pair[0].score, pair[1].score) > least]
        unmatched += len(singles)
        detections += len(singles) + len(pairs)
        for a, b in pairs:
            box = float(np.abs(np.subtract(a.box, b.box)).max())
            score = abs(a.score - b.score)
            beyond += box > tolerance.box or score > tolerance.score
            largest_box, largest_score = max(largest_box, box), max(largest_score, score)
            if a.mask is not None and b.mask is not None:
                overlaps.append(float(mask_iou([a.mask], [b.mask])[0, 0]))
    found = Difference(detections, unmatched, beyond, largest_box, largest_score)
    if not overlaps:
        return found
    return replace(found, median_mask_iou=float(np.median(overlaps)), least_mask_iou=min(overlaps))


def match_detections(
    first: Sequence[Detection], second: Sequence[Detection]
) -> tuple[list[tuple[Detection, Detection]], list[Detection]]:
    """Pair detections of one image: same class, best overlap first.

    Returns:
        Pairs, and the detections of either side that have no partner.
    """
    overlap = iou(_boxes(first), _boxes(second))
    same_class = np.equal.outer(
        [detection.class_id for detection in first], [detection.class_id for detection in second]
    ).reshape(overlap.shape)
    rows, columns = np.nonzero((overlap >= MATCH_IOU) & same_class)
    pairs, free_rows, free_columns = [], set(range(len(first))), set(range(len(second)))
    for index in np.argsort(-overlap[rows, columns], kind="stable"):
        row, column = int(rows[index]), int(columns[index])
        if row in free_rows and column in free_columns:
            free_rows.remove(row)
            free_columns.remove(column)
            pairs.append((first[row], second[column]))
    return pairs, [first[row] for row in sorted(free_rows)] + [second[column] for column in sorted(free_columns)]


def _boxes(detections: Sequence[Detection]) -> np.ndarray:
    return np.array([detection.box for detection in detections], np.float32).reshape(-1, 4)


def _cut_off(detections: Sequence[Detection], max_detections: int) -> float:
    """Score below which a full list cannot tell what else was there; noise may decide which came last."""
    if len(detections) < max_detections:
        return 0.0
    return min(detection.score for detection in detections) + FLOAT_NOISE.score
