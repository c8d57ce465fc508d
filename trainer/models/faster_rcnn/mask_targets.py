"""Targets of masks: what a mask is to show in the frame of a proposal.

Proposals are known inside of the step only, so a mask travels there in the frame of its object's box, a few kilobytes
whatever the size of the input, and is cut to the frames of the proposals there.
Reference: Mask R-CNN, section 3, https://arxiv.org/abs/1703.06870.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer.models.faster_rcnn.roi_align import read_points
from trainer.models.faster_rcnn.stages import MASK_SIDE
from trainer.placed_masks import PlacedMasks

# Cells along a side of the frame of a box. A positive proposal is at least half as wide as its box and as high, so that
# its own cells are no smaller.
SIDE = 2 * MASK_SIDE
# Objects of an input whose masks are learnt from; of more, each epoch another random part.
MAX_MASKS = 128
NO_MASK = -1


def draw_masks(
    masks: PlacedMasks, boxes: np.ndarray, objects: Sequence[int], rows: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return masks in the frames of their boxes, and where each box has its own.

    Args:
        masks: Of the boxes, or empty; None for a box without a mask.
        boxes: float32 (G, 4), xyxy, input pixels.
        objects: Which of the boxes are objects, no ignore regions.
        rows: Length of the second result, at least G.
        rng: For drawing, where there are more than `MAX_MASKS`.

    Returns:
        uint8 (MAX_MASKS, SIDE, SIDE), 1 for the object; and int32 (rows,), the row there of each box or `NO_MASK`, also
        for a mask of which nothing is shown.
    """
    cells, of_box = np.zeros((MAX_MASKS, SIDE, SIDE), np.uint8), np.full(rows, NO_MASK, np.int32)
    masked = [index for index in objects if masks and masks[index] is not None]
    if len(masked) > MAX_MASKS:
        masked = rng.choice(masked, MAX_MASKS, replace=False).tolist()
    for row, index in enumerate(masked):
        placed = masks[index]
        shown = None if placed is None else placed.in_box(boxes[index], SIDE)
        if shown is not None:
            cells[row], of_box[index] = shown, row
    return cells, of_box


def crop_masks(masks: tf.Tensor, boxes: tf.Tensor, proposals: tf.Tensor) -> tf.Tensor:
    """Return masks in the frames of proposals: float32 (R, MASK_SIDE, MASK_SIDE), 1 for the object, else 0.

    Args:
        masks: uint8 (R, SIDE, SIDE): in the frames of their boxes; outside of these there is nothing of the object.
        boxes: float32 (R, 4): these boxes, xyxy. Where one has no area its mask is not to be used.
        proposals: float32 (R, 4), in the same frame as the boxes.
    """
    corner, sides = tf.tile(boxes[:, :2], [1, 2]), boxes[:, 2:] - boxes[:, :2]
    usable = tf.reduce_min(sides, axis=-1, keepdims=True) > 0
    # Points at coordinates that are no numbers would be read from anywhere in memory.
    sides = tf.tile(tf.where(usable, sides, 1.0), [1, 2])
    cells = tf.where(usable, (proposals - corner) / sides * SIDE, 0.0)
    maps = tf.pad(tf.cast(masks, tf.float32), [[0, 0], [1, 1], [1, 1]])[..., None]
    found = read_points(maps, cells, tf.range(tf.shape(maps)[0]), MASK_SIDE)
    return tf.cast(found[..., 0] >= 0.5, tf.float32)
