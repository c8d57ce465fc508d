"""Outlines of annotation files to masks of pixels of the upright image.

A pixel belongs to an object if its centre is inside the outline. Pillow's ImageDraw rounds corners to whole pixels and
draws the border as well: a square of 10 pixels becomes one of 11.
"""

import base64
import binascii
from collections.abc import Callable, Sequence

import numpy as np

from preannotate.formats.outlines import MaskPicture, Outline, RunLengths, fills
from runtime import image_headers
from runtime.errors import RequestError
from runtime.image import decode
from runtime.image_limits import MAX_PIXELS
from runtime.masks import InstanceMask

# Rows that the sides of one polygon cross: more than any drawn one has, in 200 MB of memory.
MAX_CROSSINGS = 3_000_000
# Pixels by which a picture may be larger than its box, which may end at the last pixel and have fractions.
_MORE = 2

# Left, top, width, height.
Rectangle = tuple[int, int, int, int]
Inside = Callable[[np.ndarray, np.ndarray], np.ndarray]


def rasterize(
    outline: Outline, box: np.ndarray, to_image: np.ndarray, image_size: tuple[int, int]
) -> InstanceMask | None:
    """Return the mask of an outline.

    Args:
        outline: In the coordinates of its annotation file.
        box: float64 (4,), xyxy, upright image pixels: the box around it, not clipped.
        to_image: float64 (2, 3): from those coordinates, as (x, y, 1), to upright image pixels; axes stay axes.
        image_size: (width, height) of the image; what is beyond is cut off.

    Returns:
        None if no centre of a pixel is inside, or the outline cannot be drawn: a damaged picture, runs that do not fill
        their mask, a mask larger than any image, a polygon of more than `MAX_CROSSINGS`.
    """
    # LabelMe's box of a picture ends at its last pixel or behind it, as its version has it.
    more = np.abs(to_image[:, :2]).sum(axis=1) if isinstance(outline, MaskPicture) else 0
    low = np.clip(np.floor(box[:2]), 0, image_size).astype(int)
    high = np.clip(np.ceil(box[2:] + more), 0, image_size).astype(int)
    (left, top), (width, height) = low.tolist(), (high - low).tolist()
    if min(width, height) <= 0:
        return None
    match outline:
        case RunLengths():
            bitmap = _of_runs(outline, to_image, (left, top, width, height))
        case MaskPicture():
            bitmap = _of_picture(outline, box, to_image, (left, top, width, height))
        case _:
            points = [np.asarray(part, np.float64).reshape(-1, 2) for part in outline.polygons().parts]
            moved = [part @ to_image[:, :2].T + (to_image[:, 2] - (left, top)) for part in points]
            bitmap = _of_polygons(moved, width, height)
    return None if bitmap is None else InstanceMask.from_bitmap(bitmap, left, top)


def _of_polygons(parts: Sequence[np.ndarray], width: int, height: int) -> np.ndarray | None:
    """Return bool (height, width): the pixels inside at least one of the polygons (N, 2)."""
    bitmap: np.ndarray | None = None
    for part in parts:
        runs = _polygon_runs(part, width, height)
        if runs is None:
            return None
        inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
        bitmap = inside if bitmap is None else bitmap | inside
    return bitmap


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


def _of_runs(mask: RunLengths, to_image: np.ndarray, region: Rectangle) -> np.ndarray | None:
    is_possible = min(mask.width, mask.height) > 0 and mask.width * mask.height <= MAX_PIXELS
    if not is_possible or not fills(mask):
        return None
    ends = np.cumsum(np.asarray(mask.counts, np.int64))

    def inside(columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if mask.by_columns:
            return _lines(ends, mask.height, columns, rows).T
        return _lines(ends, mask.width, rows, columns)

    return _sample(inside, (mask.left, mask.top, mask.width, mask.height), to_image, region)


def _lines(ends: np.ndarray, length: int, lines: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return bool (N, M): the pixels at `places` (M,) of `lines` (N,) of a mask; only those lines are unpacked.

    Args:
        ends: int64 (R,): where each run ends, counted along the lines, one after the other.
        length: Pixels of a line.
        lines: Numbers of lines; at least one.
        places: Positions in a line.
    """
    low, high = int(lines.min()), int(lines.max()) + 1
    first = int(np.searchsorted(ends, low * length, side="right"))
    last = int(np.searchsorted(ends, high * length, side="left"))
    edges = np.concatenate([[low * length], ends[first:last], [high * length]])
    pixels = np.repeat(np.arange(first, last + 1) % 2 == 1, np.diff(edges)).reshape(high - low, length)
    return pixels[np.ix_(lines - low, places)]


def _of_picture(mask: MaskPicture, box: np.ndarray, to_image: np.ndarray, region: Rectangle) -> np.ndarray | None:
    """As `rasterize`; a picture that is larger than its box is not opened."""
    try:
        data = base64.b64decode(mask.base64.partition("base64,")[2] or mask.base64)
        found = image_headers.read_header(data)
        box_size = np.abs(np.linalg.inv(to_image[:, :2])) @ (box[2:] - box[:2])
        if found is None or (found[1].size > box_size + _MORE).any():
            return None
        pixels = np.asarray(decode(data).pixels)
    except (binascii.Error, ValueError, RequestError):
        return None
    bitmap = pixels.max(axis=2) > 0
    height, width = bitmap.shape
    source = mask.left, mask.top, width, height
    return _sample(lambda columns, rows: bitmap[np.ix_(rows, columns)], source, to_image, region)


def _sample(inside: Inside, source: Rectangle, to_image: np.ndarray, region: Rectangle) -> np.ndarray:
    """Return bool (height, width) of the region: whether the mask's pixel at the place of each centre is set.

    Args:
        inside: The pixels of the mask at the crossings of columns (N,) and rows (M,), from 0: bool (M, N).
        source: The mask's rectangle (left, top, width, height) in the annotation file.
        to_image: As in `rasterize`.
        region: Rectangle of the image.
    """
    left, top, width, height = region
    is_turned = to_image[0, 0] == 0
    to_source = np.linalg.inv(to_image[:, :2])
    centres = np.arange(left, left + width) + 0.5, np.arange(top, top + height) + 0.5
    moved = [values - offset for values, offset in zip(centres, to_image[:, 2], strict=True)]
    if is_turned:
        columns, rows = moved[1] * to_source[0, 1], moved[0] * to_source[1, 0]
    else:
        columns, rows = moved[0] * to_source[0, 0], moved[1] * to_source[1, 1]
    columns, rows = (np.floor(values).astype(np.int64) for values in (columns, rows))
    columns, rows = columns - source[0], rows - source[1]
    in_columns, in_rows = (columns >= 0) & (columns < source[2]), (rows >= 0) & (rows < source[3])
    found = np.zeros((len(rows), len(columns)), bool)
    if in_columns.any() and in_rows.any():
        found[np.ix_(in_rows, in_columns)] = inside(columns[in_columns], rows[in_rows])
    return found.T if is_turned else found
