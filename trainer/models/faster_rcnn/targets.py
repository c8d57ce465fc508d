"""Targets of an image: its ground truth, proposals around it, and a balanced sample of the anchors.

Anchors are matched to boxes as for SSD (ATSS, `trainer.assigner`), so that small and large boxes get equally many; an
anchor that overlaps a box without being matched is neither object nor background. Of thousands of anchors a few
hundred are sampled, at most half of them objects. Reference: Faster R-CNN, section 3.1.3.
"""

import functools
import logging
from dataclasses import dataclass

import numpy as np

from runtime.boxes import iou
from trainer.assigner import IGNORED, assign_anchors

log = logging.getLogger(__name__)

SAMPLES = 256
POSITIVE_PART = 0.5
# Faster R-CNN, section 3.1.2: an anchor that overlaps every box by less is background.
NEGATIVE_BELOW = 0.3
POSITIVE, NEGATIVE, UNUSED = 1, 0, -1
# Objects of an image that the second stage compares its proposals with. Photos have far fewer. Of more objects, each
# epoch uses another random part, and a warning is logged once.
MAX_OBJECTS = 1000
# Ground truth boxes and jittered copies that are added to the proposals in training: the second stage learns from them
# until the first one proposes well, and at hard objects. Jitter is the largest shift, as part of their sides.
GT_PROPOSALS = 32
JITTER = 0.15


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


def choose_objects(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return which of so many objects count, int64, at most `MAX_OBJECTS`: all in their order, or a random part."""
    if count <= MAX_OBJECTS:
        return np.arange(count)
    _warn_once()
    return rng.permutation(count)[:MAX_OBJECTS]


def pad_ground_truth(gt_boxes: np.ndarray, gt_classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes float32 (MAX_OBJECTS, 4) and classes int32 (MAX_OBJECTS,), padded with zeros."""
    boxes, classes = np.zeros((MAX_OBJECTS, 4), np.float32), np.zeros(MAX_OBJECTS, np.int32)
    boxes[: len(gt_boxes)], classes[: len(gt_boxes)] = gt_boxes, gt_classes
    return boxes, classes


def make_gt_proposals(gt_boxes: np.ndarray, input_size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return the boxes, then jittered copies in turn: float32 (GT_PROPOSALS, 4), xyxy; zeros without an object.

    Of more than `GT_PROPOSALS` boxes, float32 (G, 4) in input pixels, a random part is used; copies are clipped to the
    input.
    """
    if not len(gt_boxes):
        return np.zeros((GT_PROPOSALS, 4), np.float32)
    rows = np.resize(rng.permutation(len(gt_boxes)), GT_PROPOSALS)
    boxes = gt_boxes[rows].astype(np.float32)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    move = rng.uniform(-JITTER, JITTER, (GT_PROPOSALS, 4))
    move[: len(gt_boxes)] = 0
    return np.clip(boxes + move * sides, 0, np.tile(input_size, 2)).astype(np.float32)


@functools.cache
def _warn_once() -> None:
    log.warning(
        "an image has more than %d objects: the second stage is trained on a random part of them in each epoch.",
        MAX_OBJECTS,
    )
