"""Targets of the first stage: a sample of the anchors, balanced between objects and background.

Anchors are matched to boxes as for SSD (ATSS, `trainer.assigner`), so that small and large boxes get equally many; an
anchor that overlaps a box without being matched is neither object nor background. Of thousands of anchors a few
hundred are sampled, at most half of them objects. Reference: Faster R-CNN, section 3.1.3.
"""

from dataclasses import dataclass

import numpy as np

from runtime.boxes import iou
from trainer.assigner import IGNORED, assign_anchors

SAMPLES = 256
POSITIVE_PART = 0.5
# Faster R-CNN, section 3.1.2: an anchor that overlaps every box by less is background.
NEGATIVE_BELOW = 0.3
POSITIVE, NEGATIVE, UNUSED = 1, 0, -1


@dataclass(frozen=True)
class AnchorSample:
    """S sampled anchors.

    Attributes:
        index: int32 (S,): which anchor; 0 where UNUSED.
        state: int32 (S,): POSITIVE, NEGATIVE, or UNUSED where there are fewer than S.
        boxes: float32 (S, 4): the box that a positive anchor is matched to, else zeros.
    """

    index: np.ndarray
    state: np.ndarray
    boxes: np.ndarray


def sample_anchors(
    gt_boxes: np.ndarray, gt_classes: np.ndarray, anchors: np.ndarray, levels: np.ndarray, rng: np.random.Generator
) -> AnchorSample:
    """Sample `SAMPLES` anchors of an image.

    Args:
        gt_boxes: float32 (G, 4), xyxy, input pixels; G may be 0.
        gt_classes: int (G,): IGNORED makes a box an ignore region; the class itself is not used.
        anchors: float32 (A, 4), xyxy, input pixels.
        levels: int (A,): feature level of each anchor.
        rng: For sampling.
    """
    assignment = assign_anchors(gt_boxes, np.where(gt_classes == IGNORED, IGNORED, 0), anchors, levels)
    positive = assignment.class_ids >= 0
    background = iou(gt_boxes, anchors).max(axis=0, initial=0.0) < NEGATIVE_BELOW
    background &= assignment.class_ids != IGNORED
    positives = rng.permutation(np.flatnonzero(positive))[: int(SAMPLES * POSITIVE_PART)]
    negatives = rng.permutation(np.flatnonzero(background & ~positive))[: SAMPLES - len(positives)]
    drawn = np.concatenate([positives, negatives])
    index, state = np.zeros(SAMPLES, np.int32), np.full(SAMPLES, UNUSED, np.int32)
    boxes = np.zeros((SAMPLES, 4), np.float32)
    index[: len(drawn)], state[: len(drawn)] = drawn, NEGATIVE
    state[: len(positives)], boxes[: len(positives)] = POSITIVE, assignment.boxes[positives]
    return AnchorSample(index, state, boxes)
