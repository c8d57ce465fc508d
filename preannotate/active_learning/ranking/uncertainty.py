"""How uncertain a model is about an image, with the reasons in words.

Each reason has a weight in [0, 1]. Together they are 1 - (1 - a)(1 - b)…, the probability that at least one of them is
a mistake if each were one with its weight. So ten uncertain boxes count more than one, but never more than 1.

* A box whose score is near the threshold of its class: the next training may decide otherwise.
* An object with two labels of about the same score; of two masks that cross, each is an object.
* A mask that does not reach the sides of its box: the network is of two minds about where the object ends.
* No detection, where similar images show objects.
* A label with few annotated boxes: rare labels are worth more than frequent ones.

Sources: margin, its aggregation over the boxes of an image, and a bonus for rare classes: C.-A. Brust, C. Käding,
J. Denzler, "Active learning for deep object detection", arXiv:1809.09875. Their margin of two classes is replaced by a
triangle around the threshold, because our scores are one sigmoid per class. Its square, and that an object with two
labels must reach one of the thresholds, were chosen on the figures of benchmarks/ranking.py. The weight of masks is a
guess below that of boxes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.outcomes import SAME_OBJECT_FROM
from preannotate.core.text import plural
from runtime.boxes import iou
from runtime.detector import Detection
from runtime.masks import mask_iou

# Of the normalised score, whose threshold is 0.5: beyond this distance from it a score is not uncertain.
MARGIN = 0.25
# A likely mistake weighs less than a box that the model itself is uncertain about.
NOTHING_FOUND_WEIGHT = 0.7
RARE_WEIGHT = 0.3
# A label is rare below this share of the boxes of the most frequent label.
RARE_BELOW = 0.5
# A mask that ends so much of its box's width or height before a side is as uncertain as it gets, and counts half.
UNSURE_GAP, UNSURE_MASK_WEIGHT = 0.25, 0.5
# Masks are of whole pixels, and a network's are a little smaller than its boxes.
_ROUNDING = 2.0
_MAX_SCORES_SHOWN = 5


@dataclass(frozen=True)
class UncertaintyReason:
    """One reason for uncertainty: `weight` in [0, 1], and `text` for people, without a full stop."""

    weight: float
    text: str


def combined(reasons: Sequence[UncertaintyReason]) -> float:
    """Return all reasons as one number in [0, 1]; 0 without reasons."""
    return float(1 - np.prod([1 - reason.weight for reason in reasons]))


def normalised_score(detection: Detection, thresholds: Sequence[float]) -> float:
    """Return the score, stretched in [0, 1] so that the threshold of its class is 0.5: comparable between classes."""
    threshold = min(max(thresholds[detection.class_id], 1e-6), 1 - 1e-6)
    if detection.score < threshold:
        return detection.score / threshold / 2
    return 0.5 + (detection.score - threshold) / (1 - threshold) / 2


def near_threshold(detections: Sequence[Detection], thresholds: Sequence[float]) -> list[UncertaintyReason]:
    """Return one reason for all boxes near the threshold of their class; empty if there are none."""
    closeness = [1 - abs(normalised_score(one, thresholds) - 0.5) / MARGIN for one in detections]
    uncertain = sorted(
        ((near**2, one.score) for near, one in zip(closeness, detections, strict=True) if near > 0), reverse=True
    )
    if not uncertain:
        return []
    weight = 1 - float(np.prod([1 - value for value, _ in uncertain]))
    scores = ", ".join(f"{score:.2f}" for score in sorted(score for _, score in uncertain[:_MAX_SCORES_SHOWN]))
    if len(uncertain) == 1:
        return [UncertaintyReason(weight, f"a box with a score near the threshold ({scores})")]
    more = ", …" if len(uncertain) > _MAX_SCORES_SHOWN else ""
    return [UncertaintyReason(weight, f"{len(uncertain)} boxes with scores near the threshold ({scores}{more})")]


def competing_labels(detections: Sequence[Detection], thresholds: Sequence[float]) -> list[UncertaintyReason]:
    """Return a reason for each object with two labels of similar scores, one of which reaches its threshold."""
    scored = [(one, normalised_score(one, thresholds)) for one in detections]
    likely = [(one, score) for one, score in scored if score >= MARGIN]
    if len(likely) < 2:
        return []
    boxes = np.array([one.box for one, _ in likely], np.float32)
    overlaps = iou(boxes, boxes)
    masked = [row for row, (one, _) in enumerate(likely) if one.mask is not None]
    masks = [one.mask for one, _ in likely if one.mask is not None]
    overlaps[np.ix_(masked, masked)] = mask_iou(masks, masks)
    reasons = []
    used: set[int] = set()
    for i, (first, first_score) in enumerate(likely):
        for j, (second, second_score) in enumerate(likely[i + 1 :], start=i + 1):
            if {i, j} & used or first.label == second.label or overlaps[i, j] < SAME_OBJECT_FROM:
                continue
            margin = abs(first_score - second_score)
            if margin < MARGIN and max(first_score, second_score) >= 0.5:
                used |= {i, j}
                text = f"one object may be {first.label!r} ({first.score:.2f}) or {second.label!r} ({second.score:.2f})"
                reasons.append(UncertaintyReason(1 - margin / MARGIN, text))
    return reasons


def unsure_masks(detections: Sequence[Detection], thresholds: Sequence[float]) -> list[UncertaintyReason]:
    """Return one reason for all shown objects whose mask ends before a side of its box; empty if there are none."""
    gaps = [
        _gap(one.box, one.mask.box)
        for one in detections
        if one.mask is not None and one.score >= thresholds[one.class_id]
    ]
    unsure = [min(gap / UNSURE_GAP, 1.0) for gap in gaps if gap > 0]
    if not unsure:
        return []
    weight = UNSURE_MASK_WEIGHT * (1 - float(np.prod([1 - value for value in unsure])))
    outlines = "an outline that does not reach" if len(unsure) == 1 else f"{len(unsure)} outlines that do not reach"
    return [UncertaintyReason(weight, f"{outlines} the sides of {'its box' if len(unsure) == 1 else 'their boxes'}")]


def _gap(box: Sequence[float], mask_box: Sequence[float]) -> float:
    """Return the largest gap between a side of a box and of the one around its mask, as a part of the box's side."""
    sizes = box[2] - box[0], box[3] - box[1]
    gaps = (mask_box[axis] - box[axis] if axis < 2 else box[axis] - mask_box[axis] for axis in range(4))
    return max(max(gap - _ROUNDING, 0) / sizes[axis % 2] for axis, gap in enumerate(gaps))


def nothing_found(
    detections: Sequence[Detection], thresholds: Sequence[float], neighbours: Sequence[frozenset[str]]
) -> list[UncertaintyReason]:
    """Return a reason if no score reaches its threshold, but most similar images show the same label.

    `neighbours` are the labels on each of the most similar images.
    """
    if any(one.score >= thresholds[one.class_id] for one in detections):
        return []
    counts = Counter(label for labels in neighbours for label in labels)
    label, count = max(counts.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    if 2 * count <= len(neighbours):
        return []
    text = f"nothing found although {count} of the {len(neighbours)} most similar frames have {label!r}"
    return [UncertaintyReason(NOTHING_FOUND_WEIGHT * count / len(neighbours), text)]


def rare_labels(
    detections: Sequence[Detection], thresholds: Sequence[float], annotated: Mapping[str, int]
) -> list[UncertaintyReason]:
    """Return a reason if the image may show a label with few annotated boxes.

    `annotated` is label to number of annotated boxes; labels without boxes have 0.
    """
    most = max(annotated.values(), default=0)
    likely = {one.label for one in detections if normalised_score(one, thresholds) >= MARGIN} & annotated.keys()
    if not likely or not most:
        return []
    label = min(likely, key=lambda name: (annotated[name], name))
    count = annotated[label]
    share = count / most
    if share >= RARE_BELOW:
        return []
    boxes = f"only {plural(count, 'annotated box', 'annotated boxes')}" if count else "no annotated box yet"
    return [UncertaintyReason(RARE_WEIGHT * (1 - share), f"may show {label!r}, which has {boxes}")]
