"""What an annotator who corrects the shown boxes of an image finds: right, loose, wrong label, false, missed.

The bounds are those by which CVAT's own quality reports compare annotations (its defaults, `iou_threshold` and
`low_overlap_threshold`): two boxes are of the same object from an IoU of 0.4 on, and loosely so below 0.8.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from runtime.boxes import iou

SAME_OBJECT_FROM = 0.4
RIGHT_FROM = 0.8


@dataclass(frozen=True)
class Pair:
    """A shown detection that is matched to an object."""

    detection: int
    gt: int
    iou: float
    same_label: bool

    @property
    def loose(self) -> bool:
        """Whether its sides have to be moved."""
        return self.iou < RIGHT_FROM


@dataclass(frozen=True)
class Outcome:
    """All shown detections and all objects of an image.

    Attributes:
        pairs: Detections that are matched to an object, each to one of its own.
        false: Rows of the shown detections that are matched to none.
        missed: Rows of the objects that no shown detection is matched to.
    """

    pairs: tuple[Pair, ...]
    false: tuple[int, ...]
    missed: tuple[int, ...]


@dataclass(frozen=True)
class ImageComparison:
    """Objects and detections of one image, from which the outcome of showing any of the detections follows.

    Attributes:
        boxes: (N, 4), xyxy, of the detections.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    gt_boxes: np.ndarray
    gt_class_ids: np.ndarray

    @cached_property
    def _candidates(self) -> list[Pair]:
        """Pairs of the same object: those of the right label first, of these the closest first."""
        overlaps = iou(self.boxes.reshape(-1, 4), self.gt_boxes.reshape(-1, 4))
        rows, columns = np.nonzero(overlaps >= np.float32(SAME_OBJECT_FROM))
        same = self.class_ids[rows] == self.gt_class_ids[columns]
        # lexsort: the last key counts most.
        order = np.lexsort((-overlaps[rows, columns], ~same))
        return [Pair(int(rows[i]), int(columns[i]), float(overlaps[rows[i], columns[i]]), bool(same[i])) for i in order]

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
        return Outcome(tuple(pairs), false, missed)
