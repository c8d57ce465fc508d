"""How much a model doubts on an image, and why, in words.

Each ground for doubt has a weight in [0, 1]; together they are 1 - (1 - a)(1 - b)…, the chance that at least one of
them is a mistake if each were so with its weight. So ten doubtful boxes count more than one, and never without bound.

* A box whose score lies near the threshold of its class: there the next training may turn it round.
* An object on which two labels score about the same.
* Nothing found, where images that look alike show objects.
* A label with few annotated boxes: what is rare is worth more than what is common.

Sources: margin and its aggregation over the boxes of an image, and a bonus for rare classes, C.-A. Brust, C. Käding,
J. Denzler, "Active learning for deep object detection", arXiv:1809.09875. The triangle around the threshold
takes the place of their margin of two classes, for our scores are one sigmoid a class. Its square, and that an object
of two labels must be shown, were chosen while looking at figures of benchmarks/ranking.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.outcomes import SAME_OBJECT_FROM
from runtime.boxes import iou
from runtime.detector import Detection

# Half of the way to 0 and half of the way to 1, seen from the threshold: beyond it nobody would call it doubt.
MARGIN = 0.25
# What is only likely weighs less than a box that the model itself is unsure of.
NOTHING_FOUND_WEIGHT = 0.7
RARE_WEIGHT = 0.3
# A label is called rare below this share of the boxes of the most frequent one.
RARE_BELOW = 0.5
_MOST_NUMBERS = 5


@dataclass(frozen=True)
class UncertaintyReason:
    """One ground for doubt: `weight` in [0, 1], and `text` for people, without a full stop."""

    weight: float
    text: str


def combined(grounds: Sequence[UncertaintyReason]) -> float:
    """All grounds as one number in [0, 1]."""
    return float(1 - np.prod([1 - ground.weight for ground in grounds])) if grounds else 0.0


def normalised_score(detection: Detection, thresholds: Sequence[float]) -> float:
    """The score in [0, 1] with the threshold of its class at 0.5, so that classes can be compared."""
    threshold = min(max(thresholds[detection.class_id], 1e-6), 1 - 1e-6)
    if detection.score < threshold:
        return detection.score / threshold / 2
    return 0.5 + (detection.score - threshold) / (1 - threshold) / 2


def near_threshold(detections: Sequence[Detection], thresholds: Sequence[float]) -> list[UncertaintyReason]:
    """One ground for all boxes near the threshold of their class, or none."""
    doubtful = []
    for detection in detections:
        closeness = 1 - abs(normalised_score(detection, thresholds) - 0.5) / MARGIN
        if closeness > 0:
            doubtful.append((closeness**2, detection.score))
    if not doubtful:
        return []
    doubtful.sort(reverse=True)
    weight = 1 - float(np.prod([1 - doubt for doubt, _ in doubtful]))
    numbers = ", ".join(f"{score:.2f}" for score in sorted(score for _, score in doubtful[:_MOST_NUMBERS]))
    more = ", …" if len(doubtful) > _MOST_NUMBERS else ""
    if len(doubtful) == 1:
        return [UncertaintyReason(weight, f"a box with a score near the threshold ({numbers})")]
    return [UncertaintyReason(weight, f"{len(doubtful)} boxes with scores near the threshold ({numbers}{more})")]


def competing_labels(detections: Sequence[Detection], thresholds: Sequence[float]) -> list[UncertaintyReason]:
    """A ground for each object that may be one thing or another, and is shown as one of them at least."""
    likely = [one for one in detections if normalised_score(one, thresholds) >= MARGIN]
    if len(likely) < 2:
        return []
    boxes = np.array([one.box for one in likely], np.float32)
    overlaps = iou(boxes, boxes)
    grounds = []
    taken: set[int] = set()
    for i, first in enumerate(likely):
        for j in range(i + 1, len(likely)):
            second = likely[j]
            if {i, j} & taken or first.label == second.label or overlaps[i, j] < SAME_OBJECT_FROM:
                continue
            margin = abs(normalised_score(first, thresholds) - normalised_score(second, thresholds))
            if (
                margin < MARGIN
                and max(normalised_score(first, thresholds), normalised_score(second, thresholds)) >= 0.5
            ):
                taken |= {i, j}
                text = f"one object may be {first.label!r} ({first.score:.2f}) or {second.label!r} ({second.score:.2f})"
                grounds.append(UncertaintyReason(1 - margin / MARGIN, text))
    return grounds


def nothing_found(
    detections: Sequence[Detection], thresholds: Sequence[float], neighbours: Sequence[frozenset[str]]
) -> list[UncertaintyReason]:
    """A ground if nothing reaches its threshold where most images that look alike show something.

    Args:
        detections: Of the image.
        thresholds: Of the classes.
        neighbours: Labels on each of the most similar images.
    """
    if any(one.score >= thresholds[one.class_id] for one in detections) or not neighbours:
        return []
    counts: dict[str, int] = {}
    for labels in neighbours:
        for label in labels:
            counts[label] = counts.get(label, 0) + 1
    label, most = max(counts.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    if 2 * most <= len(neighbours):
        return []
    return [
        UncertaintyReason(
            NOTHING_FOUND_WEIGHT * most / len(neighbours),
            f"nothing found although {most} of the {len(neighbours)} most similar frames have {label!r}",
        )
    ]


def rare_labels(
    detections: Sequence[Detection], thresholds: Sequence[float], annotated: Mapping[str, int]
) -> list[UncertaintyReason]:
    """A ground if the image may show a label of which few boxes are annotated.

    Args:
        detections: Of the image.
        thresholds: Of the classes.
        annotated: Label to number of annotated boxes; labels without any have 0.
    """
    most = max(annotated.values(), default=0)
    shown = {one.label for one in detections if normalised_score(one, thresholds) >= MARGIN and one.label in annotated}
    if not shown or not most:
        return []
    label = min(shown, key=lambda name: (annotated[name], name))
    share = annotated[label] / most
    if share >= RARE_BELOW:
        return []
    count = annotated[label]
    said = f"only {count} {'box is' if count == 1 else 'boxes are'} annotated" if count else "none is annotated yet"
    return [UncertaintyReason(RARE_WEIGHT * (1 - share), f"may show {label!r}, of which {said}")]
