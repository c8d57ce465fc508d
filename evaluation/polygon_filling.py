"""The pixels inside of polygons: of annotations, and of answers that are polygons.

A pixel belongs to an object if its centre is inside the outline. Pillow's ImageDraw rounds corners to whole pixels and
draws the border as well: a square of 10 pixels becomes one of 11.
"""

from collections.abc import Sequence

import numpy as np

from runtime.image_limits import MAX_PIXELS
from runtime.masks import InstanceMask

# Rows that the sides of one polygon cross: more than any drawn one has, in 200 MB of memory.
MAX_CROSSINGS = 3_000_000


def fill(parts: Sequence[np.ndarray], width: int, height: int) -> np.ndarray | None:
    """Return bool (height, width): the pixels inside at least one of the polygons; None if one is too complex.

    Args:
        parts: float64 (N, 2) each: x, y in pixels; inside is what an odd number of sides must be crossed to reach.
        width: Columns of the bitmap; what is beyond is cut off.
        height: Rows.
    """
    bitmap: np.ndarray | None = None
    for part in parts:
        runs = _polygon_runs(part, width, height)
        if runs is None:
            return None
        inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
        bitmap = inside if bitmap is None else bitmap | inside
    return bitmap


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


def _polygon_runs(points: np.ndarray, width: int, height: int) -> np.ndarray | None:
    """Return the runs of pixels outside and inside of a polygon in turn, row by row; None if it is too complex.

    Along each row of pixel centres, inside begins and ends where a side is crossed.
    """
    centred = points - 0.5
    ends = np.roll(centred, -1, axis=0)
    first = np.clip(np.ceil(np.minimum(centred[:, 1], ends[:, 1])), 0, height).astype(np.int64)
    behind = np.clip(np.ceil(np.maximum(centred[:, 1], ends[:, 1])), 0, height).astype(np.int64)
    counts = behind - first
    total = int(counts.sum())
    if total > MAX_CROSSINGS:
        return None
    side = np.repeat(np.arange(len(points)), counts)
    rows = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts) + first[side]
    (x, y), (x_end, y_end) = centred[side].T, ends[side].T
    crossed = x + (rows - y) * ((x_end - x) / (y_end - y))
    columns = np.clip(np.ceil(crossed), 0, width).astype(np.int64)
    turns = np.sort(rows * width + columns)
    return np.diff(turns, prepend=0, append=width * height)
