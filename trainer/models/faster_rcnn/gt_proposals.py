"""The annotated objects of an image as arrays of a fixed size, and boxes around them that help the second stage.

A batch needs one size for all images, but no object may be lost without a word.
"""

import functools
import logging

import numpy as np

log = logging.getLogger(__name__)

# Objects of an image that the second stage compares its proposals with. Photos have far fewer. Of more, each look at
# the image takes another random part, and the log says so once.
MAX_OBJECTS = 1000
# Boxes at and around the objects that stand beside the first stage's proposals: the second stage has something to learn
# from them until the first proposes well, and where it finds an object hard. Moved by up to this part of their sides.
GT_PROPOSALS = 32
JITTER = 0.15


def pad_ground_truth(
    gt_boxes: np.ndarray, gt_classes: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes float32 (MOST, 4) and classes int32 (MOST,), zeros after the last; a random part of more than `MOST`."""
    if len(gt_boxes) > MAX_OBJECTS:
        _say_once()
        chosen = rng.permutation(len(gt_boxes))[:MAX_OBJECTS]
        gt_boxes, gt_classes = gt_boxes[chosen], gt_classes[chosen]
    boxes, classes = np.zeros((MAX_OBJECTS, 4), np.float32), np.zeros(MAX_OBJECTS, np.int32)
    boxes[: len(gt_boxes)], classes[: len(gt_boxes)] = gt_boxes, gt_classes
    return boxes, classes


def make_gt_proposals(gt_boxes: np.ndarray, input_size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """The boxes themselves, then moved copies in turn: float32 (HINTS, 4), xyxy; zeros without an object.

    Args:
        gt_boxes: float32 (G, 4), xyxy, input pixels; of more than `HINTS` a random part.
        input_size: (width, height): copies end at its borders.
        rng: Moves them.

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
def _say_once() -> None:
    log.warning(
        "an image shows more than %d objects: the second stage learns from so many at a time, drawn anew each time.",
        MAX_OBJECTS,
    )
