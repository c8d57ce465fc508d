"""Matching of anchors to ground-truth boxes: adaptive training sample selection (ATSS).

For each box the anchors nearest to its centre on each level are candidates; those that overlap it by
more than the mean plus one standard deviation of the candidates' overlaps, and whose centre lies in it,
are positive. There is no threshold to tune: large and small boxes get a similar number of anchors.

Reference: ATSS, section 3.2, https://arxiv.org/abs/1912.02424.
"""

from dataclasses import dataclass

import numpy as np

from runtime.boxes import iou

CANDIDATES_PER_LEVEL = 9
NEGATIVE, IGNORED = -1, -2
# IoU with an ignore region from which on an anchor is ignored; it also is if its centre lies in the region.
IGNORE_IOU = 0.3


@dataclass(frozen=True)
class Assignment:
    """One row for each anchor.

    Attributes:
        class_ids: int32 (A,): class of the box that the anchor is matched to; NEGATIVE if there is none; IGNORED at an
            ignore region.
        boxes: float32 (A, 4): that box; zeros if there is none.
    """

    class_ids: np.ndarray
    boxes: np.ndarray


def assign_anchors(gt_boxes: np.ndarray, gt_classes: np.ndarray, anchors: np.ndarray, levels: np.ndarray) -> Assignment:
    """Match each anchor to at most one ground-truth box, and each box to at least one anchor.

    Args:
        gt_boxes: float32 (G, 4), xyxy, input pixels; G may be 0.
        gt_classes: int (G,); IGNORED makes a box an ignore region: anchors there are IGNORED unless matched.
        anchors: float32 (A, 4), xyxy, input pixels.
        levels: int (A,): feature level of each anchor.
    """
    ignore_regions, known = gt_boxes[gt_classes == IGNORED], gt_classes != IGNORED
    gt_boxes, gt_classes = gt_boxes[known], gt_classes[known]
    class_ids = np.full(len(anchors), NEGATIVE, np.int32)
    if len(ignore_regions):
        class_ids[_is_ignored(anchors, ignore_regions)] = IGNORED
    boxes = np.zeros((len(anchors), 4), np.float32)
    if not len(gt_boxes):
        return Assignment(class_ids, boxes)
    overlaps = iou(gt_boxes, anchors)  # (G, A)
    positive = _positives(gt_boxes, anchors, levels, overlaps)
    # An anchor that is positive for two boxes is matched to the one that it overlaps more.
    claims = np.where(positive, overlaps, -1.0)
    owner = claims.argmax(axis=0)
    claimed = claims.max(axis=0) >= 0
    # A small box on top of a large one may have lost all its anchors: it is matched to the one it overlaps most,
    # but never the only anchor of another box.
    for orphan in np.setdiff1d(np.arange(len(gt_boxes)), owner[claimed]):
        owned = np.bincount(owner[claimed], minlength=len(gt_boxes))
        sole = claimed & (owned[owner] == 1)
        best = int(np.where(sole, -1.0, overlaps[orphan]).argmax())
        owner[best], claimed[best] = orphan, True
    class_ids[claimed] = gt_classes[owner[claimed]]
    boxes[claimed] = gt_boxes[owner[claimed]]
    return Assignment(class_ids, boxes)


def _is_ignored(anchors: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Bool (A,): anchors at one of the ignore regions (P, 4)."""
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    inside = ((centres > regions[:, None, :2]) & (centres < regions[:, None, 2:])).all(axis=-1)  # (P, A)
    return (inside | (iou(regions, anchors) >= IGNORE_IOU)).any(axis=0)


def _positives(gt_boxes: np.ndarray, anchors: np.ndarray, levels: np.ndarray, overlaps: np.ndarray) -> np.ndarray:
    """Bool (G, A): anchors that pass the adaptive threshold of a box."""
    anchor_centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    gt_centres = (gt_boxes[:, :2] + gt_boxes[:, 2:]) / 2
    distances = np.square(gt_centres[:, None] - anchor_centres).sum(axis=-1)  # (G, A)
    candidates = np.concatenate(
        [
            rows[_nearest(distances[:, rows])]
            for rows in (np.flatnonzero(levels == level) for level in np.unique(levels))
        ],
        axis=1,
    )  # (G, C)
    candidate_overlaps = np.take_along_axis(overlaps, candidates, axis=1)
    threshold = candidate_overlaps.mean(axis=1) + candidate_overlaps.std(axis=1)
    centres = anchor_centres[candidates]  # (G, C, 2)
    inside = ((centres > gt_boxes[:, None, :2]) & (centres < gt_boxes[:, None, 2:])).all(axis=-1)
    chosen = (candidate_overlaps >= threshold[:, None]) & inside
    positive = np.zeros(overlaps.shape, bool)
    np.put_along_axis(positive, candidates, chosen, axis=1)
    return positive


def _nearest(distances: np.ndarray) -> np.ndarray:
    """Int (G, C): columns of the smallest distances, C = min(9, columns)."""
    count = min(CANDIDATES_PER_LEVEL, distances.shape[1])
    if count == distances.shape[1]:
        return np.broadcast_to(np.arange(count), (len(distances), count))
    return np.argpartition(distances, count - 1, axis=1)[:, :count]
