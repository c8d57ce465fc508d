"""The pixels inside of polygons: of annotations, and of answers that are polygons.

A pixel belongs to an object if its centre is inside the outline. Pillow's ImageDraw rounds corners to whole pixels and
draws the border as well: a square of 10 pixels becomes one of 11.
"""

from collections.abc import Sequence

import numpy as np

from runtime.image_limits import MAX_PIXELS
from runtime.masks import InstanceMask

# Rows that the sides of one object cross: more than any drawn one has, in 200 MB of memory.
MAX_CROSSINGS = 3_000_000


def fill(parts: Sequence[np.ndarray], width: int, height: int) -> np.ndarray | None:
    """Return bool (height, width): the pixels inside at least one of the polygons; None if they are too complex.

    Args:
        parts: float64 (N, 2) each: x, y in pixels; inside is what an odd number of sides must be crossed to reach.
        width: Columns of the bitmap; what is beyond is cut off.
        height: Rows.
    """
    runs = _runs_inside(parts, width, height)
    return None if runs is None else np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)


def polygon_mask(points: np.ndarray) -> InstanceMask | None:
    """Return the mask of one polygon, at its place in the image.

    Args:
        points: float64 (N, 2): x, y in image pixels.

    Returns:
        None if no centre of a pixel is inside, or it is larger or more complex than any object of an image.
    """
    if len(points) < 3 or not np.isfinite(points).all() or np.abs(points).max() > MAX_PIXELS:
        return None
    (left, top), (right, bottom) = (
        np.floor(points.min(axis=0)).astype(int).tolist(),
        np.ceil(points.max(axis=0)).astype(int).tolist(),
    )
    width, height = right - left, bottom - top
    if min(width, height) < 1 or width * height > MAX_PIXELS:
        return None
    bitmap = fill([points - (left, top)], width, height)
    return None if bitmap is None else InstanceMask.from_bitmap(bitmap, left, top)


def _runs_inside(parts: Sequence[np.ndarray], width: int, height: int) -> np.ndarray | None:
    """Return the runs of pixels outside and inside of polygons in turn, row by row; None if they are too complex.

    Along each row of pixel centres, inside begins and ends where a side is crossed. All parts are looked at together:
    an object may have any number of them, each as large as the image.
    """
    lengths = np.array([len(part) for part in parts], np.int64)
    centred = np.concatenate([np.zeros((0, 2)), *parts]) - 0.5
    following = np.arange(1, len(centred) + 1)
    behind_last = np.cumsum(lengths)[lengths > 0]
    following[behind_last - 1] = behind_last - lengths[lengths > 0]
    ends = centred[following]
    first = np.clip(np.ceil(np.minimum(centred[:, 1], ends[:, 1])), 0, height).astype(np.int64)
    behind = np.clip(np.ceil(np.maximum(centred[:, 1], ends[:, 1])), 0, height).astype(np.int64)
    counts = behind - first
    total = int(counts.sum())
    if total > MAX_CROSSINGS:
        return None
    side = np.repeat(np.arange(len(centred)), counts)
    rows = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts) + first[side]
    (x, y), (x_end, y_end) = centred[side].T, ends[side].T
    crossed = x + (rows - y) * ((x_end - x) / (y_end - y))
    columns = np.clip(np.ceil(crossed), 0, width).astype(np.int64)
    pixels = width * height
    of_part = np.repeat(np.arange(len(parts)), lengths)[side] * (pixels + 1)
    turns = np.sort(of_part + rows * width + columns) % (pixels + 1)  # an even number of each part
    if len(parts) > 1:
        turns = _union(turns[0::2], turns[1::2])
    return np.diff(turns, prepend=0, append=pixels)


def _union(begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return where stretches of pixels begin and end in turn that together are the given ones, which may overlap."""
    places, steps = np.concatenate([begins, ends]), np.repeat([1, -1], len(begins))
    order = np.argsort(places, kind="stable")  # what touches is one: begins come before ends
    depth = np.cumsum(steps[order])
    return places[order][(depth == 0) | ((depth == 1) & (steps[order] == 1))]
