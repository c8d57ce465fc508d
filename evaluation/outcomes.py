"""What an annotator who corrects the shown objects of an image finds: right, loose, wrong label, false, missed.

The bounds are those by which CVAT's own quality reports compare annotations (its defaults, `iou_threshold` and
`low_overlap_threshold`): two boxes are of the same object from an IoU of 0.4 on, and loosely so below 0.8. It has the
same bounds for masks and polygons: an object that was annotated with an outline is compared by its mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import numpy as np

from evaluation.ground_truth import AnnotatedImage
from runtime.boxes import iou
from runtime.detector import Detection, class_agnostic_nms
from runtime.manifest import Postprocess
from runtime.masks import InstanceMask, mask_iou

SAME_OBJECT_FROM = 0.4
RIGHT_FROM = 0.8


@dataclass(frozen=True)
class Pair:
    """A shown detection that is matched to an object.

    Attributes:
        iou: Of the masks if both have one, else of the boxes.
        outline: Whether the masks were compared.
    """

    detection: int
    gt: int
    iou: float
    same_label: bool
    outline: bool = False

    @property
    def loose(self) -> bool:
        """Whether its sides, or points of its outline, have to be moved."""
        return self.iou < RIGHT_FROM


@dataclass(frozen=True)
class Outcome:
    """All shown detections and all objects of an image.

    Attributes:
        pairs: Detections that are matched to an object, each to one of its own.
        false: Rows of the shown detections that are matched to none.
        missed: Rows of the objects that no shown detection is matched to.
        missed_outlines: Those of `missed` that were annotated with an outline.
    """

    pairs: tuple[Pair, ...]
    false: tuple[int, ...]
    missed: tuple[int, ...]
    missed_outlines: tuple[int, ...] = ()


@dataclass(frozen=True)
class ImageComparison:
    """Objects and detections of one image, from which the outcome of showing any of the detections follows.

    Attributes:
        boxes: (N, 4), xyxy, of the detections.
        masks: One for each detection, and `gt_masks` for each object; empty if none has a mask.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    gt_boxes: np.ndarray
    gt_class_ids: np.ndarray
    masks: tuple[InstanceMask | None, ...] = ()
    gt_masks: tuple[InstanceMask | None, ...] = ()

    @property
    def overlaps(self) -> np.ndarray:
        """Float32 (N, G): IoU of each detection with each object, of their masks where both have one."""
        return self._overlaps[0]

    @property
    def by_mask(self) -> np.ndarray:
        """Bool (N, G): where `overlaps` are those of masks."""
        return self._overlaps[1]

    @cached_property
    def _overlaps(self) -> tuple[np.ndarray, np.ndarray]:
        overlaps = iou(self.boxes.reshape(-1, 4), self.gt_boxes.reshape(-1, 4))
        return overlaps, self._put_mask_overlaps(overlaps)

    @cached_property
    def _candidates(self) -> list[Pair]:
        """Pairs of the same object: those of the right label first, of these the closest first."""
        overlaps, by_mask = self._overlaps
        rows, columns = np.nonzero(overlaps >= np.float32(SAME_OBJECT_FROM))
        same = self.class_ids[rows] == self.gt_class_ids[columns]
        # lexsort: the last key counts most.
        order = np.lexsort((-overlaps[rows, columns], ~same))
        return [
            Pair(
                int(rows[i]),
                int(columns[i]),
                float(overlaps[rows[i], columns[i]]),
                bool(same[i]),
                bool(by_mask[rows[i], columns[i]]),
            )
            for i in order
        ]

    def _put_mask_overlaps(self, overlaps: np.ndarray) -> np.ndarray:
        """Replace the overlaps of boxes, (N, G), by those of masks where both have one; return where, bool (N, G)."""
        rows = [row for row, mask in enumerate(self.masks) if mask is not None]
        columns = [column for column, mask in enumerate(self.gt_masks) if mask is not None]
        by_mask = np.zeros(overlaps.shape, bool)
        if rows and columns:
            place = np.ix_(rows, columns)
            overlaps[place] = mask_iou(
                [mask for mask in self.masks if mask is not None], [mask for mask in self.gt_masks if mask is not None]
            )
            by_mask[place] = True
        return by_mask

    def outcome(self, shown: np.ndarray) -> Outcome:
        """Match the shown detections to objects: best label, then best overlap first.

        Args:
            shown: bool (N,).
        """
        pairs: list[Pair] = []
        matched, found = set(), set()
        for pair in self._candidates:
            if shown[pair.detection] and pair.detection not in matched and pair.gt not in found:
                pairs.append(pair)
                matched.add(pair.detection)
                found.add(pair.gt)
        false = tuple(int(row) for row in np.flatnonzero(shown) if row not in matched)
        missed = tuple(row for row in range(len(self.gt_boxes)) if row not in found)
        outlines = tuple(row for row in missed if self.gt_masks[row] is not None) if self.gt_masks else ()
        return Outcome(tuple(pairs), false, missed, outlines)


def compare_image(image: AnnotatedImage, found: Sequence[Detection]) -> ImageComparison:
    """The objects of an image beside everything that was detected on it."""
    return ImageComparison(
        np.array([detection.box for detection in found], np.float32).reshape(-1, 4),
        np.array([detection.class_id for detection in found], np.int64),
        image.boxes,
        image.class_ids,
        tuple(detection.mask for detection in found) if image.masks else (),
        image.masks,
    )


def shown(found: Sequence[Detection], postprocess: Postprocess) -> np.ndarray:
    """Which detections of an image, bool (N,), a function shows: `Detector.select` without its limit on their number.

    Args:
        found: Down to a lower score than any threshold, each class by itself.
        postprocess: Thresholds and suppression.
    """
    reaching = np.array([detection.score >= postprocess.thresholds[detection.class_id] for detection in found], bool)
    return without_suppressed(found, reaching, postprocess.agnostic_iou_threshold)


def without_suppressed(found: Sequence[Detection], shown: np.ndarray, iou_threshold: float | None) -> np.ndarray:
    """Return which of the `shown` detections, bool (N,), no better one of any class suppresses; None drops none."""
    rows = np.flatnonzero(shown)
    kept = class_agnostic_nms(list(compress(found, shown)), iou_threshold)
    return np.isin(np.arange(len(found)), rows[kept])


def confusion_matrix(
    classes: int,
    images: Sequence[AnnotatedImage],
    detections: Sequence[Sequence[Detection]],
    postprocess: Postprocess,
) -> np.ndarray:
    """Count which class was shown for which annotated one, with background.

    Returns:
        int64 (K + 1, K + 1): rows are annotated classes, columns shown ones. The last row holds false detections,
        the last column missed objects.
    """
    matrix = np.zeros((classes + 1, classes + 1), int)
    for image, found in zip(images, detections, strict=True):
        compared = compare_image(image, found)
        outcome = compared.outcome(shown(found, postprocess))
        for pair in outcome.pairs:
            matrix[image.class_ids[pair.gt], compared.class_ids[pair.detection]] += 1
        for row in outcome.false:
            matrix[classes, compared.class_ids[row]] += 1
        for row in outcome.missed:
            matrix[image.class_ids[row], classes] += 1
    return matrix
