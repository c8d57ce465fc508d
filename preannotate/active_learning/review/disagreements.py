"""Where the model and people disagree about a frame, and how likely the mistake is a person's.

| kind      | meaning                                         | likelihood |
|-----------|-------------------------------------------------|------------|
| missing   | detected above the threshold, not annotated     | the score; less inside an annotated box |
| extra     | annotated, not detected even with a low score   | how often the model detects such objects |
| label     | detected above the threshold with another label | the score, less that of the annotated label |
| loose     | the same object, but boxes or outlines differ   | the score, times how loose the box or outline is |
| duplicate | two annotated boxes on one object               | 0.5 for an overlap of 0.5, up to 1 |

Where an outline was annotated and the function has masks, their pixels are compared in place of the boxes around them.
`evaluation.outcomes` defines which boxes are of the same object, and which of those are loose. A box that was moved far
away is a loose box, not a missing and an extra one.

Source: overlooked, swapped and badly located boxes are the kinds of U. Tkachenko, A. Thyagarajan, J. Mueller,
"ObjectLab: automated diagnosis of mislabeled images in object detection data", arXiv:2309.00832, which also derives
their likelihood from scores and overlaps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from evaluation.outcomes import RIGHT_FROM, SAME_OBJECT_FROM, ImageComparison, Outcome
from preannotate.active_learning.ranking.uncertainty import normalised_score
from preannotate.active_learning.review.reviewed_frames import UNKNOWN, DetectionRates, ReviewedFrame
from preannotate.formats.records import Box
from runtime.boxes import area
from runtime.masks import InstanceMask, intersection


class DisagreementKind(StrEnum):
    """See the module; in the order of the page."""

    MISSING = "missing"
    EXTRA = "extra"
    LABEL = "label"
    LOOSE = "loose"
    DUPLICATE = "duplicate"


# For people; they begin the messages of issues.
TITLES = {
    DisagreementKind.MISSING: "missing box",
    DisagreementKind.EXTRA: "extra box",
    DisagreementKind.LABEL: "different label",
    DisagreementKind.LOOSE: "loose box",
    DisagreementKind.DUPLICATE: "duplicate box",
}
LOOSE_OUTLINE = "loose outline"
# An unmatched annotation and an unmatched detection from this overlap on are one object, badly annotated: objects side
# by side overlap less.
MOVED_FROM = 0.1
# Of the normalised score: below half of the threshold an object counts as not detected.
NOT_DETECTED_BELOW = 0.25
# Two boxes of one label: objects behind one another rarely overlap more.
DUPLICATE_FROM = 0.5


@dataclass(frozen=True)
class Disagreement:
    """One disagreement.

    Attributes:
        kind: What differs.
        frame: Relative number in the task.
        likelihood: In [0, 1], that a person made a mistake.
        text: A sentence for people.
        label: Annotated label; of duplicates with different labels both. None if nothing is annotated.
        model_label: Label of the detection; None if nothing is detected.
        score: Score of the detection; None if nothing is detected.
        iou: Overlap of the boxes or masks that are compared; None if there is only one.
        annotated: Annotated boxes, xyxy in image pixels.
        model: Box of the detection, xyxy in image pixels; None if nothing is detected.
        annotated_masks: One for each annotated box; None of what was annotated as a box.
        model_mask: Of the detection; None if it has none.
        outline: Whether masks were compared.
    """

    kind: DisagreementKind
    frame: int
    likelihood: float
    text: str
    label: str | None = None
    model_label: str | None = None
    score: float | None = None
    iou: float | None = None
    annotated: tuple[Box, ...] = ()
    model: Box | None = None
    annotated_masks: tuple[InstanceMask | None, ...] = ()
    model_mask: InstanceMask | None = None
    outline: bool = False

    @property
    def title(self) -> str:
        """What differs, for people."""
        return title_of(self.kind, outline=self.outline)

    @property
    def around(self) -> Box:
        """The box around all boxes."""
        boxes = np.array([*self.annotated, *([self.model] if self.model else [])])
        return (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())


def title_of(kind: DisagreementKind, *, outline: bool) -> str:
    """Return what differs, for people; `outline` as in `Disagreement`."""
    return LOOSE_OUTLINE if outline and kind is DisagreementKind.LOOSE else TITLES[kind]


def find_disagreements(frames: Sequence[ReviewedFrame], thresholds: Sequence[float]) -> list[Disagreement]:
    """Return all disagreements, the most likely mistake first; `thresholds` are those of the function's classes."""
    rates = DetectionRates.count(frames, thresholds)
    found = [one for frame in frames for one in _FrameComparison(frame, thresholds, rates).disagreements()]
    return sorted(found, key=lambda one: (-one.likelihood, one.frame, one.kind, one.around))


class _FrameComparison:
    """The comparison of one frame. Rows are annotated boxes, columns detections; `overlaps` is (N, G)."""

    def __init__(self, frame: ReviewedFrame, thresholds: Sequence[float], rates: DetectionRates) -> None:
        self.frame, self.rates = frame, rates
        self.confident = np.array([one.score >= thresholds[one.class_id] for one in frame.detections], bool)
        self.scores = [normalised_score(one, thresholds) for one in frame.detections]
        self.overlaps, self.by_mask = frame.comparison.overlaps, frame.comparison.by_mask
        self.outcome: Outcome = frame.comparison.outcome(self.confident)

    def disagreements(self) -> Iterator[Disagreement]:
        """All of this frame."""
        relabelled = self._relabelled()
        moved = self._moved(relabelled)
        yield from (self._different_label(row, column) for row, column in relabelled.items())
        yield from (self._loose(row, column) for row, column in moved.items())
        for pair in self.outcome.pairs:
            if pair.same_label and pair.loose:
                yield self._loose(pair.gt, pair.detection)
        yield from self._missing({*relabelled.values(), *moved.values()})
        yield from self._extra({*relabelled, *moved})
        yield from self._duplicates()

    def _relabelled(self) -> dict[int, int]:
        """Row to the confident detection of another label that scores higher than any of its own label."""
        matched = {pair.detection for pair in self.outcome.pairs if pair.same_label}
        relabelled: dict[int, int] = {}
        for row, box in enumerate(self.frame.annotated):
            if box.class_id == UNKNOWN:
                continue
            others = [
                column
                for column in self._on(row)
                if self.confident[column] and column not in matched and self._class(column) != box.class_id
            ]
            best = max(others, key=lambda column: self.scores[column], default=None)
            own = max((self.scores[column] for column in self._own(row)), default=0.0)
            if best is not None and best not in relabelled.values() and self.scores[best] > own:
                relabelled[row] = best
        return relabelled

    def _moved(self, relabelled: dict[int, int]) -> dict[int, int]:
        """Unmatched row to the unmatched confident detection of its label that overlaps it a little."""
        pairs = sorted(
            (-float(self.overlaps[column, row]), row, column)
            for row in self.outcome.missed
            for column in self.outcome.false
            if row not in relabelled
            and column not in relabelled.values()
            and self.frame.annotated[row].class_id == self._class(column)
            and self.overlaps[column, row] >= MOVED_FROM
            and not self._on_annotation(column)
        )
        moved: dict[int, int] = {}
        for _, row, column in pairs:
            if row not in moved and column not in moved.values():
                moved[row] = column
        return moved

    def _different_label(self, row: int, column: int) -> Disagreement:
        box, detection = self.frame.annotated[row], self.frame.detections[column]
        own = max((self.frame.detections[other].score for other in self._own(row)), default=0.0)
        text = f"Annotated as {box.label!r}; the model detects {detection.label!r} ({detection.score:.2f})."
        return self._pair(DisagreementKind.LABEL, detection.score * (1 - own), row, column, text)

    def _loose(self, row: int, column: int) -> Disagreement:
        detection = self.frame.detections[column]
        overlap = float(self.overlaps[column, row])
        likelihood = detection.score * min((RIGHT_FROM - overlap) / (RIGHT_FROM - SAME_OBJECT_FROM), 1)
        what = "outline" if self.by_mask[column, row] else "box"
        text = (
            f"The annotated {what} of {self.frame.annotated[row].label!r} and that of the model "
            f"({detection.score:.2f}) overlap by {overlap:.0%} (IoU)."
        )
        return self._pair(DisagreementKind.LOOSE, likelihood, row, column, text)

    def _missing(self, explained: set[int]) -> Iterator[Disagreement]:
        for column in self.outcome.false:
            detection = self.frame.detections[column]
            if column in explained or self._on_annotation(column):
                continue
            # A part of an annotated object is less likely to be an object of its own.
            same = [
                row for row, box in enumerate(self.frame.annotated) if box.class_id in (detection.class_id, UNKNOWN)
            ]
            inside = max((self._inside(column, row) for row in same), default=0.0)
            yield Disagreement(
                DisagreementKind.MISSING,
                self.frame.frame,
                detection.score * (1 - inside / 2),
                f"The model detects {detection.label!r} ({detection.score:.2f}); nothing is annotated there.",
                model_label=detection.label,
                score=detection.score,
                model=detection.box,
                model_mask=detection.mask,
            )

    def _extra(self, explained: set[int]) -> Iterator[Disagreement]:
        for row in self.outcome.missed:
            box = self.frame.annotated[row]
            if row in explained or box.class_id == UNKNOWN:
                continue
            best = max((self.scores[column] for column in self._on(row)), default=0.0)
            if best >= NOT_DETECTED_BELOW:
                continue
            size = float(area(self.frame.gt_boxes[row : row + 1])[0])
            likelihood = self.rates.rate(box.class_id, size) * (1 - best / 0.5)
            text = f"Annotated as {box.label!r}; the model detects nothing there, even with a low score."
            yield Disagreement(
                DisagreementKind.EXTRA,
                self.frame.frame,
                likelihood,
                text,
                label=box.label,
                annotated=(box.box,),
                annotated_masks=(box.mask,),
            )

    def _duplicates(self) -> Iterator[Disagreement]:
        frame = self.frame
        masks = tuple(one.mask for one in frame.annotated)
        among = ImageComparison(frame.gt_boxes, frame.gt_classes, frame.gt_boxes, frame.gt_classes, masks, masks)
        overlaps = among.overlaps
        matched = {pair.gt for pair in self.outcome.pairs if pair.same_label}
        for first, a in enumerate(self.frame.annotated):
            for second, b in enumerate(self.frame.annotated[first + 1 :], start=first + 1):
                overlap = float(overlaps[first, second])
                same = a.label == b.label
                if overlap < (DUPLICATE_FROM if same else RIGHT_FROM):
                    continue
                if overlap < RIGHT_FROM and {first, second} <= matched:
                    continue  # the model detects two objects there, too
                labels = a.label if same else f"{a.label}, {b.label}"
                boxes = "outlines" if among.by_mask[first, second] else "boxes"
                boxes = f"Two {boxes} of {a.label!r}" if same else f"{boxes.title()} of {a.label!r} and of {b.label!r}"
                likelihood = 0.5 + 0.5 * (overlap - DUPLICATE_FROM) / (1 - DUPLICATE_FROM)
                text = f"{boxes} overlap by {overlap:.0%} (IoU)."
                yield Disagreement(
                    DisagreementKind.DUPLICATE, self.frame.frame, likelihood, text, labels, iou=overlap,
                    annotated=(a.box, b.box), annotated_masks=(a.mask, b.mask),
                    outline=bool(among.by_mask[first, second]),
                )  # fmt: skip

    def _pair(self, kind: DisagreementKind, likelihood: float, row: int, column: int, text: str) -> Disagreement:
        box, detection = self.frame.annotated[row], self.frame.detections[column]
        return Disagreement(
            kind, self.frame.frame, likelihood, text, box.label, detection.label, detection.score,
            float(self.overlaps[column, row]), (box.box,), detection.box, (box.mask,), detection.mask,
            bool(self.by_mask[column, row]),
        )  # fmt: skip

    def _on(self, row: int) -> list[int]:
        """Detections of the same object, of any label and score."""
        return np.flatnonzero(self.overlaps[:, row] >= np.float32(SAME_OBJECT_FROM)).tolist()

    def _own(self, row: int) -> list[int]:
        """Detections of the same object with the annotated label, of any score."""
        return [column for column in self._on(row) if self._class(column) == self.frame.annotated[row].class_id]

    def _on_annotation(self, column: int) -> bool:
        """Whether a detection is of an annotated object, of any label."""
        return bool((self.overlaps[column] >= np.float32(SAME_OBJECT_FROM)).any())

    def _class(self, column: int) -> int:
        return self.frame.detections[column].class_id

    def _inside(self, column: int, row: int) -> float:
        """Share of the area of a detection inside an annotated box, or outline."""
        if self.by_mask[column, row]:
            mask, annotated = self.frame.detections[column].mask, self.frame.annotated[row].mask
            assert mask is not None and annotated is not None
            return intersection(mask, annotated) / mask.area
        a, b = self.frame.detections[column].box, self.frame.annotated[row].box
        width, height = (min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis]) for axis in (0, 1))
        return max(width, 0) * max(height, 0) / ((a[2] - a[0]) * (a[3] - a[1]))
