"""Masks of imported networks as the engine contract has them: in NumPy for the reference, as operations for the graph.

A network gives either a small mask in the frame of each box, or a whole picture of each object, as large as the input.
Of the latter the part below the box is sampled at the centres of a grid.
"""

from typing import Any

import numpy as np

from builder.imports.errors import UnsupportedModelError
from builder.imports.layout import AdapterMatch, Layout, Shapes
from builder.imports.shapes import EXPLANATIONS

# Rows and columns of a mask in its box, where a picture is sampled: as many as Mask R-CNN has.
SIDE = 28
# A mask in the frame of its box is no larger.
_LARGEST_SIDE = 64


def without_masks(outputs: Shapes, input_size: tuple[int, int]) -> tuple[str, Shapes] | None:
    """Return the name of the masks, (N, m, m), (N, H, W) with 1 in front or behind N, and the other outputs.

    None if there are none, or more than one that may be.
    """
    used = {name: shape for name, shape in outputs.items() if name not in EXPLANATIONS}
    found = [name for name, shape in used.items() if _is_of_masks(shape, input_size)]
    if len(found) != 1:
        return None
    return found[0], {name: shape for name, shape in used.items() if name != found[0]}


def with_masks(match: AdapterMatch | None, masks: str) -> AdapterMatch | None:
    """Return the match of the other outputs with the masks behind them."""
    if match is None:
        return None
    return AdapterMatch((*match.names, masks), match.num_classes, match.unlabelled, match.usual)


def _is_of_masks(shape: tuple[int, ...], input_size: tuple[int, int]) -> bool:
    sides = shape[-2:]
    is_small = len(sides) == 2 and sides[0] == sides[1] and 1 < sides[0] <= _LARGEST_SIDE
    one_each = len(shape) == 3 or (len(shape) == 4 and 1 in shape[:2])
    # A loop that pastes masks into pictures, as torchvision's, leaves their size open.
    is_picture = len(sides) == 2 and all(a in (-1, b) for a, b in zip(sides, input_size[::-1], strict=True))
    return one_each and (is_small or is_picture)


def in_boxes(masks: np.ndarray, boxes: np.ndarray, layout: Layout) -> np.ndarray:
    """Return masks of the engine contract, (1, N, m, m).

    Args:
        masks: (N, m, m) in the frames of the boxes, or (N, H, W) in the input's, with any axes of length 1.
        boxes: (N, 4), xyxy, input pixels.
        layout: With the input's size.

    Raises:
        UnsupportedModelError: They have another size than those two, or there are not as many as boxes.
    """
    height, width = masks.shape[-2:]
    masks, boxes = masks.reshape(-1, height, width), boxes.reshape(-1, 4)
    if len(masks) != len(boxes):
        raise UnsupportedModelError(
            f"{len(masks)} masks of {len(boxes)} boxes; expected one for each. Export the model again."
        )
    if (width, height) != layout.input_size:
        if max(width, height) > _LARGEST_SIDE:
            raise UnsupportedModelError(
                f"masks of {width}x{height} pixels; expected {layout.input_size[0]}x{layout.input_size[1]}, as the "
                f"input has. Export the model at one size."
            )
        return masks[None]
    sampled = np.zeros((len(masks), SIDE, SIDE), np.float32)
    for number, (mask, (x1, y1, x2, y2)) in enumerate(zip(masks, boxes, strict=True)):
        (left, right, x), (upper, lower, y) = _samples(x1, x2, width), _samples(y1, y2, height)
        above, below = (mask[rows][:, left] * (1 - x) + mask[rows][:, right] * x for rows in (upper, lower))
        sampled[number] = above * (1 - y[:, None]) + below * y[:, None]
    return sampled[None]


def _samples(start: float, end: float, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cells on both sides of each sample, and how far it lies from the first towards the second."""
    at = start + (np.arange(SIDE) + 0.5) * (end - start) / SIDE - 0.5
    at = np.clip(np.nan_to_num(at), 0, cells - 1)
    low = np.minimum(np.floor(at).astype(int), cells - 1)
    return low, np.minimum(low + 1, cells - 1), (at - low).astype(np.float32)


def in_boxes_nodes(masks: Any, boxes: Any, layout: Layout, ops: Any) -> Any:
    """As `in_boxes`, as operations; boxes are (1, N, 4)."""
    height, width = (
        side.get_length() if side.is_static else of_input
        for side, of_input in zip(list(masks.get_partial_shape())[-2:], layout.input_size[::-1], strict=True)
    )
    if (width, height) != layout.input_size:
        return ops.reshape(masks, np.array([1, -1, height, width]), False)
    maps = ops.reshape(masks, np.array([-1, 1, height, width]), False)
    rows = ops.reshape(boxes, np.array([-1, 4]), False)
    count = ops.squeeze(ops.gather(ops.shape_of(rows), np.array([0]), np.int64(0)), np.array([0]))
    numbers = ops.range(np.int64(0), count, np.int64(1), "i32")
    # Half a pixel is taken off, as by `_samples`, and one sample is taken of each of the grid's cells.
    sampled = ops.roi_align(maps, rows, numbers, SIDE, SIDE, 1, 1.0, "avg", "half_pixel_for_nn")
    return ops.reshape(sampled, np.array([1, -1, SIDE, SIDE]), False)
