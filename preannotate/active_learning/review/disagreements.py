"""Where the model and people disagree about a frame, and how likely the mistake is a person's.

| kind      | what it is                                                    | likelihood |
|-----------|---------------------------------------------------------------|------------|
| missing   | the model is sure, nobody drew it                             | its score; less inside such a box |
| extra     | drawn, and the model sees nothing there, even at a low score  | how often it finds such objects |
| label     | the model is sure of another label than the one that is drawn | its score, less that of the drawn label |
| loose     | the same object, but the boxes differ                         | its score, times how loose the box is |
| duplicate | two boxes around one object                                   | 0.5 for an overlap of 0.5, up to 1 |

When boxes are of the same object, and when loosely so, is said in `evaluation.outcomes`. A box that was moved far
away is a loose one, not a missing and an extra one.

Source: overlooked, swapped and badly located boxes are the kinds of U. Tkachenko, A. Thyagarajan, J. Mueller,
"ObjectLab: automated diagnosis of mislabeled images in object detection data", arXiv:2309.00832; there, too, scores and
overlaps say how likely each is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.outcomes import RIGHT_FROM, SAME_OBJECT_FROM, ImageComparison, Outcome
from preannotate.active_learning.ranking.uncertainty import normalised_score
from preannotate.active_learning.review.detection_rates import DetectionRates
from preannotate.active_learning.review.frames import Box, ReviewedFrame
from runtime.boxes import area, iou

MISSING, EXTRA, LABEL, LOOSE, DUPLICATE = "missing", "extra", "label", "loose", "duplicate"
# For people, in the order of the page.
TITLES = {
    MISSING: "missing box",
    EXTRA: "needless box",
    LABEL: "other label",
    LOOSE: "loose box",
    DUPLICATE: "duplicate box",
}
# A free box and a free detection this close together are one object, badly drawn: objects side by side overlap less.
MOVED_FROM = 0.1
# Half of the way to the threshold: "the model sees nothing there".
NOTHING_BELOW = 0.25
# Two boxes of one label: objects behind one another rarely overlap more.
DUPLICATE_FROM = 0.5


@dataclass(frozen=True)
class Disagreement:
    """One of them.

    Attributes:
        kind: A key of `TITLES`.
        frame: Relative number.
        likelihood: In [0, 1], that a person made a mistake.
        label: That people gave; "" if nobody drew anything.
        model_label: That the model gives; "" if it sees nothing.
        score: Of the model; None if it sees nothing.
        iou: Overlap of the boxes that are compared; None if there is only one.
        people: Boxes of people.
        model: Box of the model; None if it sees nothing.
        text: A sentence for people.
    """

    kind: str
    frame: int
    likelihood: float
    label: str
    model_label: str
    score: float | None
    iou: float | None
    people: tuple[Box, ...]
    model: Box | None
    text: str

    @property
    def around(self) -> Box:
        """The box around all boxes."""
        boxes = np.array([*self.people, *([self.model] if self.model else [])])
        return (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())


def find_disagreements(views: Sequence[ReviewedFrame], thresholds: Sequence[float]) -> list[Disagreement]:
    """All disagreements, the likeliest mistake first.

    Args:
        views: The frames.
        thresholds: Of the function's classes.
    """
    finding = DetectionRates.of(views, thresholds)
    found = [one for view in views for one in _Frame(view, thresholds, finding).disagreements()]
    return sorted(found, key=lambda one: (-one.likelihood, one.frame, one.kind, one.around))


class _Frame:
    """One frame, with what is needed to judge it."""

    def __init__(self, view: ReviewedFrame, thresholds: Sequence[float], finding: DetectionRates) -> None:
        self.view, self.finding = view, finding
        self.sure = np.array([one.score >= thresholds[one.class_id] for one in view.detections], bool)
        self.sureness = [normalised_score(one, thresholds) for one in view.detections]
        self.overlaps = iou(view.found_boxes, view.boxes)
        comparison = ImageComparison(view.found_boxes, view.found_class_ids, view.boxes, view.class_ids)
        self.outcome: Outcome = comparison.outcome(self.sure)

    def disagreements(self) -> Iterator[Disagreement]:
        """All of this frame."""
        rivals = self._rivals()
        moved = self._moved(rivals)
        yield from (self._label(row, detection) for row, detection in rivals.items())
        yield from (self._loose(row, detection) for row, detection in moved.items())
        for pair in self.outcome.pairs:
            if pair.same_label and pair.loose:
                yield self._loose(pair.gt, pair.detection)
        yield from self._missing({*rivals.values(), *moved.values()})
        yield from self._extra({*rivals, *moved})
        yield from self._duplicates()

    def _rivals(self) -> dict[int, int]:
        """Drawn object to the sure detection of another label that fits it better than any of its own."""
        own = {pair.detection for pair in self.outcome.pairs if pair.same_label}
        rivals: dict[int, int] = {}
        for row, drawn in enumerate(self.view.drawn):
            if drawn.class_id < 0:
                continue
            fitting = [
                one
                for one in self._on(row)
                if self.sure[one] and one not in own and self.view.detections[one].class_id != drawn.class_id
            ]
            best = max(fitting, key=lambda one: self.sureness[one], default=None)
            if best is not None and best not in rivals.values() and self.sureness[best] > self._best_own(row):
                rivals[row] = best
        return rivals

    def _moved(self, rivals: dict[int, int]) -> dict[int, int]:
        """Free drawn object to the free sure detection of its label that overlaps it a little."""
        pairs = sorted(
            (
                (-float(self.overlaps[one, row]), row, one)
                for row in self.outcome.missed
                for one in self.outcome.false
                if row not in rivals
                and one not in rivals.values()
                and self.view.drawn[row].class_id == self.view.detections[one].class_id
                and self.overlaps[one, row] >= MOVED_FROM
                and not self._hidden(one)
            ),
        )
        moved: dict[int, int] = {}
        for _, row, one in pairs:
            if row not in moved and one not in moved.values():
                moved[row] = one
        return moved

    def _label(self, row: int, one: int) -> Disagreement:
        drawn, detection = self.view.drawn[row], self.view.detections[one]
        likelihood = detection.score * (1 - self._best_own_score(row))
        said = f"Drawn as {drawn.label!r}; the model says {detection.label!r} ({detection.score:.2f})"
        return self._of(LABEL, likelihood, row, one, f"{said}.")

    def _loose(self, row: int, one: int) -> Disagreement:
        detection = self.view.detections[one]
        overlap = float(self.overlaps[one, row])
        likelihood = detection.score * min((RIGHT_FROM - overlap) / (RIGHT_FROM - SAME_OBJECT_FROM), 1)
        text = (
            f"The box of {self.view.drawn[row].label!r} and that of the model ({detection.score:.2f}) overlap by "
            f"{overlap:.0%} (IoU)."
        )
        return self._of(LOOSE, likelihood, row, one, text)

    def _missing(self, taken: set[int]) -> Iterator[Disagreement]:
        for one in self.outcome.false:
            detection = self.view.detections[one]
            if one in taken or self._hidden(one):
                continue
            same = [
                row for row, drawn in enumerate(self.view.drawn) if drawn.class_id in (detection.class_id, -1)
            ]  # a part of something that is drawn is less likely to be an object of its own
            inside = max((self._inside(one, row) for row in same), default=0.0)
            likelihood = detection.score * (1 - inside / 2)
            text = f"Nobody drew this {detection.label!r}; the model sees it ({detection.score:.2f})."
            yield Disagreement(
                MISSING,
                self.view.frame,
                likelihood,
                "",
                detection.label,
                detection.score,
                None,
                (),
                detection.box,
                text,
            )

    def _extra(self, taken: set[int]) -> Iterator[Disagreement]:
        for row in self.outcome.missed:
            drawn = self.view.drawn[row]
            if row in taken or drawn.class_id < 0:
                continue
            seen = max((self.sureness[one] for one in self._on(row)), default=0.0)
            if seen >= NOTHING_BELOW:
                continue
            size = float(area(self.view.boxes[row : row + 1])[0])
            likelihood = self.finding.share(drawn.class_id, size) * (1 - seen / 0.5)
            text = f"Drawn as {drawn.label!r}; the model sees nothing there, even at a low score."
            yield Disagreement(
                EXTRA, self.view.frame, likelihood, drawn.label, "", None, None, (drawn.box,), None, text
            )

    def _duplicates(self) -> Iterator[Disagreement]:
        overlaps = iou(self.view.boxes, self.view.boxes)
        served = {pair.gt for pair in self.outcome.pairs if pair.same_label}
        for first in range(len(self.view.drawn)):
            for second in range(first + 1, len(self.view.drawn)):
                overlap = float(overlaps[first, second])
                a, b = self.view.drawn[first], self.view.drawn[second]
                same = a.label == b.label
                if overlap < (DUPLICATE_FROM if same else RIGHT_FROM):
                    continue
                if overlap < RIGHT_FROM and {first, second} <= served:
                    continue  # the model sees two objects there, too
                labels = a.label if same else f"{a.label}, {b.label}"
                what = f"Two boxes of {a.label!r}" if same else f"Boxes of {a.label!r} and of {b.label!r}"
                likelihood = 0.5 + 0.5 * (overlap - DUPLICATE_FROM) / (1 - DUPLICATE_FROM)
                yield Disagreement(
                    DUPLICATE, self.view.frame, likelihood, labels, "", None, overlap, (a.box, b.box), None,
                    f"{what} overlap by {overlap:.0%} (IoU).",
                )  # fmt: skip

    def _of(self, kind: str, likelihood: float, row: int, one: int, text: str) -> Disagreement:
        drawn, detection = self.view.drawn[row], self.view.detections[one]
        return Disagreement(
            kind, self.view.frame, likelihood, drawn.label, detection.label, detection.score,
            float(self.overlaps[one, row]), (drawn.box,), detection.box, text,
        )  # fmt: skip

    def _on(self, row: int) -> list[int]:
        """Detections of the same object, of any label and score."""
        return np.flatnonzero(self.overlaps[:, row] >= np.float32(SAME_OBJECT_FROM)).tolist()

    def _hidden(self, one: int) -> bool:
        """Whether a detection lies on something that is drawn: then nothing is missing there."""
        return bool((self.overlaps[one] >= np.float32(SAME_OBJECT_FROM)).any())

    def _best_own(self, row: int) -> float:
        own = self.view.drawn[row].class_id
        return max((self.sureness[one] for one in self._on(row) if self._class(one) == own), default=0.0)

    def _best_own_score(self, row: int) -> float:
        own = self.view.drawn[row].class_id
        return max((self.view.detections[one].score for one in self._on(row) if self._class(one) == own), default=0.0)

    def _class(self, one: int) -> int:
        return self.view.detections[one].class_id

    def _inside(self, one: int, row: int) -> float:
        """Part of a detection that lies inside a drawn box."""
        a, b = self.view.detections[one].box, self.view.drawn[row].box
        width, height = (min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis]) for axis in (0, 1))
        return max(width, 0) * max(height, 0) / ((a[2] - a[0]) * (a[3] - a[1]))
