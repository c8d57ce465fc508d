"""Ground truth of an image as arrays of a fixed size, and boxes around it that are added to the proposals.

A batch needs one size for all images; objects beyond it are reported.
"""

import functools
import logging

import numpy as np

log = logging.getLogger(__name__)

# Objects of an image that the second stage compares its proposals with. Photos have far fewer. Of more objects, each
# epoch uses another random part, and a warning is logged once.
MAX_OBJECTS = 1000
# Ground truth boxes and jittered copies that are added to the proposals in training: the second stage learns from them
# until the first one proposes well, and at hard objects. Jitter is the largest shift, as part of their sides.
GT_PROPOSALS = 32
JITTER = 0.15


def pad_ground_truth(
    gt_boxes: np.ndarray, gt_classes: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes float32 (MAX_OBJECTS, 4) and classes int32 (MAX_OBJECTS,), padded with zeros or a random part."""
    if len(gt_boxes) > MAX_OBJECTS:
        _warn_once()
        chosen = rng.permutation(len(gt_boxes))[:MAX_OBJECTS]
        gt_boxes, gt_classes = gt_boxes[chosen], gt_classes[chosen]
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
