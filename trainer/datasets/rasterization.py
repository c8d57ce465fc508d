"""Outlines of annotation files to masks of pixels of the upright image."""

import base64
import binascii
from collections.abc import Callable

import numpy as np

from evaluation import polygon_filling
from preannotate.formats.outlines import MaskPicture, Outline, RunLengths, fills
from runtime import image_headers
from runtime.boxes import area
from runtime.errors import RequestError
from runtime.image import decode
from runtime.image_limits import MAX_PIXELS
from runtime.masks import InstanceMask

# Pixels by which a picture may be larger than its box, which may end at the last pixel and have fractions.
_MORE = 2

# Of runs, pixels that are unpacked for each that is wanted: more where a large mask belongs to a small image.
_MOST_UNPACKED = 16

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
        their mask, a mask larger than any image, a polygon of more than `polygon_filling.MAX_CROSSINGS`.
    """
    # LabelMe's box of a picture ends at its last pixel or behind it, as its version has it; in a turned image, begins.
    more = np.abs(to_image[:, :2]).sum(axis=1) if isinstance(outline, MaskPicture) else 0
    low = np.clip(np.floor(box[:2] - more), 0, image_size).astype(int)
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
            bitmap = polygon_filling.fill(moved, width, height)
    return None if bitmap is None else InstanceMask.from_bitmap(bitmap, left, top)


def pixels_to_draw(outline: Outline, box: np.ndarray, to_image: np.ndarray, image_size: tuple[int, int]) -> float:
    """Return how many pixels `rasterize` goes over: of the image, or of a picture that may be larger."""
    if isinstance(outline, MaskPicture):
        return float(area(box) / abs(np.linalg.det(to_image[:, :2])))
    return float(area(np.clip(box, 0, [*image_size, *image_size])))


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
    """Return bool (N, M): the pixels at `places` (M,) of `lines` (N,) of a mask; at most those lines are unpacked.

    Args:
        ends: int64 (R,): where each run ends, counted along the lines, one after the other.
        length: Pixels of a line.
        lines: Numbers of lines; at least one.
        places: Positions in a line.
    """
    low, high = int(lines.min()), int(lines.max()) + 1
    if (high - low) * length > _MOST_UNPACKED * len(lines) * len(places):
        return np.searchsorted(ends, lines[:, None] * length + places, side="right") % 2 == 1
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
        picture = decode(data).pixels
    except (binascii.Error, ValueError, RequestError):
        return None
    if picture.size != found[1].size:  # too large to be decoded at full size, or turned by EXIF
        return None
    bitmap = np.asarray(picture).max(axis=2) > 0
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
