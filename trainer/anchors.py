"""Anchors: prior boxes on the network's input, one grid for each feature level."""

import math
from collections.abc import Sequence

import numpy as np

# An anchor's side in strides. With the strides 8, 16, 32 and 64 the anchors are 32 to 256 pixels large,
# and the learned offsets reach a factor of two to both sides.
SIDE_IN_STRIDES = 4
# One anchor shape is enough for boxes whose aspects lie within this factor of each other.
ASPECT_SPREAD = 2.0


def generate(
    input_size: tuple[int, int], strides: Sequence[int], aspects: Sequence[float] = (1.0,)
) -> tuple[np.ndarray, np.ndarray]:
    """Return the anchors of every level, row by row, the aspects of one cell beside each other.

    Args:
        input_size: (width, height) of the input in pixels.
        strides: Input pixels for one cell of each level; a level has ceil(side / stride) cells.
        aspects: Width divided by height of the anchors of a cell; their area is that of the square.

    Returns:
        anchors, float32 (A, 4), xyxy, input pixels, and levels, int64 (A,).

    >>> anchors, levels = generate((16, 8), [8])
    >>> anchors.tolist(), levels.tolist()
    ([[-12.0, -12.0, 20.0, 20.0], [-4.0, -12.0, 28.0, 20.0]], [0, 0])
    """
    anchors, levels = [], []
    for level, stride in enumerate(strides):
        xs = (np.arange(math.ceil(input_size[0] / stride)) + 0.5) * stride
        ys = (np.arange(math.ceil(input_size[1] / stride)) + 0.5) * stride
        roots = np.sqrt(np.asarray(aspects, np.float64))
        half = SIDE_IN_STRIDES * stride / 2 * np.stack([roots, 1 / roots], axis=-1)  # (R, 2)
        centres = np.stack(np.meshgrid(xs, ys), axis=-1)[:, :, None, :]  # (rows, columns, 1, 2)
        boxes = np.concatenate([centres - half, centres + half], axis=-1).reshape(-1, 4)
        anchors.append(boxes)
        levels.append(np.full(len(boxes), level))
    return np.concatenate(anchors).astype(np.float32), np.concatenate(levels)


def fit_aspects(boxes: np.ndarray) -> tuple[float, ...]:
    """Return the anchor shapes (width / height) for boxes float32 (G, 4), xyxy, in input pixels; G may be 0.

    One, the median of the boxes; or two where these are both wide and tall: the medians of the taller and of the wider
    half, if they differ by more than `ASPECT_SPREAD` squared.
    """
    if not len(boxes):
        return (1.0,)
    aspects = np.sort((boxes[:, 2] - boxes[:, 0]) / np.maximum(boxes[:, 3] - boxes[:, 1], 1e-3))
    middle = len(aspects) // 2
    tall, wide = float(np.median(aspects[: middle + 1])), float(np.median(aspects[middle:]))
    if wide / tall <= ASPECT_SPREAD**2:
        return (round(float(np.median(aspects)), 3),)
    return (round(tall, 3), round(wide, 3))
