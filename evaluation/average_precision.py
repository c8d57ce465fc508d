"""COCO's average precision in a form that can be accumulated again and again: for other weights of the images.

`scores.py` uses pycocotools; here the comparison of boxes is done once and kept, so that a thousand resamples of the
images cost a fraction of a second. Whatever the weights, the numbers are pycocotools' (of images that are repeated),
which a test holds it to.

Reference: https://cocodataset.org/#detection-eval, area "all", at most 100 detections of a class in an image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.ground_truth import AnnotatedImage, filled_box
from runtime.boxes import iou
from runtime.detector import Detection
from runtime.masks import InstanceMask, intersection

# In float32, as overlaps are: an overlap of exactly 0.7 reaches 0.7.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10).astype(np.float32)
_MASK_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = 100
# Resamples in one piece of work: bounds the memory to about this times 8 bytes for each detection.
_ROWS = 50


@dataclass(frozen=True)
class ClassMatches:
    """The detections of one class, best score first.

    Attributes:
        scores: float64 (N,).
        image: int64 (N,), index of the image of each.
        hits: bool (10, N), whether it found a box of its own at each of `IOU_THRESHOLDS`.
        boxes: int64 (I,), ground-truth boxes of the class in each image, or masks if these are compared.
        ignored: bool (10, N), whether it counts neither as found nor as false; None if all count.
    """

    scores: np.ndarray
    image: np.ndarray
    hits: np.ndarray
    boxes: np.ndarray
    ignored: np.ndarray | None = None


def match_class(
    class_id: int, images: Sequence[AnnotatedImage], detections: Sequence[Sequence[Detection]]
) -> ClassMatches:
    """Give each detection of a class the free box of that class that it overlaps most, best score first."""
    scores, image_of, hits = [np.zeros(0)], [np.zeros(0, int)], [np.zeros((len(IOU_THRESHOLDS), 0), bool)]
    boxes = np.zeros(len(images), int)
    for index, (image, found) in enumerate(zip(images, detections, strict=True)):
        gt_boxes = image.boxes[image.class_ids == class_id]
        boxes[index] = len(gt_boxes)
        own = sorted((d for d in found if d.class_id == class_id), key=lambda d: -d.score)[:MAX_DETECTIONS]
        if own:
            scores.append(np.array([detection.score for detection in own]))
            image_of.append(np.full(len(own), index))
            hits.append(_hits(np.array([detection.box for detection in own]), gt_boxes.astype(float)))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return ClassMatches(
        np.concatenate(scores)[order], np.concatenate(image_of)[order], np.concatenate(hits, axis=1)[:, order], boxes
    )


def match_class_masks(
    class_id: int, images: Sequence[AnnotatedImage], detections: Sequence[Sequence[Detection]]
) -> ClassMatches:
    """Do the same with masks, as `scores.score_masks`: what was annotated as a box only is a crowd in COCO's words."""
    scores, image_of = [np.zeros(0)], [np.zeros(0, int)]
    hits, ignored = ([np.zeros((len(IOU_THRESHOLDS), 0), bool)] for _ in range(2))
    masks = np.zeros(len(images), int)
    for index, (image, found) in enumerate(zip(images, detections, strict=True)):
        gt_masks = image.masks or (None,) * len(image.boxes)
        rows = [row for row, k in enumerate(image.class_ids) if k == class_id]
        annotated = [mask for row in rows if (mask := gt_masks[row]) is not None]
        crowds = [filled_box(image.boxes[row]) for row in rows if gt_masks[row] is None]
        masks[index] = len(annotated)
        own = sorted((d for d in found if d.class_id == class_id), key=lambda d: -d.score)[:MAX_DETECTIONS]
        if own:
            scores.append(np.array([detection.score for detection in own]))
            image_of.append(np.full(len(own), index))
            own_masks = [detection.mask for detection in own]
            of_image = _greedy_hits(_mask_overlaps(own_masks, annotated), _MASK_THRESHOLDS)
            on_crowd = _mask_overlaps(own_masks, crowds, of_detection=True).max(axis=1, initial=0.0)
            hits.append(of_image)
            ignored.append(~of_image & (on_crowd >= _MASK_THRESHOLDS[:, None]))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return ClassMatches(
        np.concatenate(scores)[order],
        np.concatenate(image_of)[order],
        np.concatenate(hits, axis=1)[:, order],
        masks,
        np.concatenate(ignored, axis=1)[:, order],
    )


def _mask_overlaps(
    found: Sequence[InstanceMask | None], annotated: Sequence[InstanceMask], *, of_detection: bool = False
) -> np.ndarray:
    """IoU, float64 (N, G); the part of the detection that lies on the other if `of_detection`. 0 without a mask."""
    overlaps = np.zeros((len(found), len(annotated)))
    for row, mask in enumerate(found):
        for column, other in enumerate(annotated):
            if mask is not None:
                common = intersection(mask, other)
                overlaps[row, column] = common / (mask.area if of_detection else mask.area + other.area - common)
    return overlaps


def _hits(boxes: np.ndarray, gt_boxes: np.ndarray) -> np.ndarray:
    """Hits, bool (10, N), of the N detections of one image, best score first."""
    return _greedy_hits(iou(boxes, gt_boxes), IOU_THRESHOLDS)


def _greedy_hits(overlaps: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Hits, bool (10, N), from overlaps (N, G) of detections, best score first."""
    hits = np.zeros((len(thresholds), len(overlaps)), bool)
    near = np.flatnonzero((overlaps >= thresholds[0]).any(axis=1))
    for level, least in enumerate(thresholds):
        free = np.ones(overlaps.shape[1], bool)
        for row in near:
            candidates = np.where(free, overlaps[row], -1.0)
            best = len(candidates) - 1 - int(candidates[::-1].argmax())  # of equals the last, as pycocotools
            if candidates[best] >= least:
                hits[level, row] = True
                free[best] = False
    return hits


def average_precision(matches: ClassMatches, weights: np.ndarray | None = None) -> np.ndarray:
    """Average precision at each of `IOU_THRESHOLDS`.

    Args:
        matches: Of one class.
        weights: int (R, I), how often each image counts, in R resamples; None counts every image once.

    Returns:
        float64 (R, 10), in [0, 1]; NaN for a resample without a box of the class.
    """
    if weights is None:
        weights = np.ones((1, len(matches.boxes)), int)
    pieces = [_accumulate(matches, weights[start : start + _ROWS]) for start in range(0, len(weights), _ROWS)]
    return np.concatenate(pieces)


def _accumulate(matches: ClassMatches, weights: np.ndarray) -> np.ndarray:
    boxes = weights @ matches.boxes
    counts = weights[:, matches.image]  # (R, N)
    seen = np.cumsum(counts, axis=1)
    result = np.zeros((len(weights), len(IOU_THRESHOLDS)))
    for level, hits in enumerate(matches.hits):
        if hits.any():
            if matches.ignored is not None:
                seen = np.cumsum(counts * ~matches.ignored[level], axis=1)
            result[:, level] = _area(np.cumsum(counts[:, hits], axis=1), seen[:, hits], boxes)
    result[boxes == 0] = np.nan
    return result


def _area(found: np.ndarray, seen: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Mean precision over `RECALLS`, from the ranks at which something was found: precision falls in between.

    `found` objects and `seen` detections up to each rank are (R, P), `boxes` of the class (R,).
    """
    precision = found / np.maximum(seen, 1)
    best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached = np.searchsorted(RECALLS, found / np.maximum(boxes, 1)[:, None], side="right")
    reached[found == 0] = 0  # recall 0 is reached by the first object that is found
    return (best_from_here * np.diff(reached, axis=1, prepend=0)).sum(axis=1) / len(RECALLS)


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision and recall of one class at IoU 0.5: a point for each score that a detection has, best score first.

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
