"""Tight axis-aligned boxes of other shapes, without NumPy: an annotation has few points.

All boxes are xyxy, y points down, angles are degrees clockwise.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from preannotate.formats.outlines import Ellipse, Polygons, RotatedBox, RunLengths, fills
from preannotate.formats.records import BAD_MASK, BOX, FEW_POINTS, ROTATED_BOX, Box, EntryError, Export, Shape

# Numbers of the smallest polygon, two a point.
MIN_POLYGON = 6
# Of a side: corners of a box that was written down as a polygon are nearer to those of its box, drawn ones hardly ever.
_CORNER_TOLERANCE = 1e-3
# Fewer boxes from 0 to 1 may be accidental clicks in a corner.
_FEWEST_FRACTIONS = 3
# Bits of a run's length: numbers without an end would take for ever.
_LONGEST_COUNT = 60


def points_box(coordinates: Sequence[float]) -> Box:
    """Return the box around points, given as x1, y1, x2, y2, …; at least one point."""
    xs, ys = coordinates[0::2], coordinates[1::2]
    return float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys))


def polygon_shape(label: str, *parts: Sequence[float]) -> Shape:
    """Return an object of one or more polygons, or what is left of it.

    Parts with fewer than three points do not count, unless there are no others: then it is only known where it lies.
    """
    whole = tuple(part for part in parts if len(part) >= MIN_POLYGON and len(part) % 2 == 0)
    if not whole:
        pairs = [part[: len(part) // 2 * 2] for part in parts]
        whole = tuple(part for part in pairs if len(part) >= MIN_POLYGON)
        if not whole:
            return _remains(label, [value for part in pairs for value in part])
    coordinates = whole[0] if len(whole) == 1 else [value for part in whole for value in part]
    return Shape(label, "polygon", points_box(coordinates), outline=Polygons(whole))


def polygon_or_box(label: str, *parts: Sequence[float]) -> Shape:
    """Return `polygon_shape`, or a plain box, of formats in which boxes are written as polygons, too."""
    shape = polygon_shape(label, *parts)
    match shape.outline:
        case Polygons(parts=(points,)) if is_upright_box(points):
            return Shape(label, BOX, shape.box)
    return shape


def is_upright_box(points: Sequence[float]) -> bool:
    """Return whether a polygon, x1, y1, x2, y2, …, is its own box: converters write one where a polygon is expected."""
    corners = list(zip(points[0:10:2], points[1:10:2], strict=True))
    if corners[0] == corners[-1]:
        del corners[-1]
    if len(corners) != 4 or len(points) > 10:
        return False
    x1, y1, x2, y2 = points_box(points)
    near = [min(abs(x - x1), abs(x - x2)) <= _CORNER_TOLERANCE * (x2 - x1) for x, _ in corners]
    near += [min(abs(y - y1), abs(y - y2)) <= _CORNER_TOLERANCE * (y2 - y1) for _, y in corners]
    places = [(2 * x > x1 + x2, 2 * y > y1 + y2) for x, y in corners]
    steps = [sum(a != b for a, b in zip(*pair, strict=True)) for pair in pairwise([*places, places[0]])]
    return all(near) and len(set(places)) == len(places) and set(steps) == {1}


def _remains(label: str, coordinates: Sequence[float]) -> Shape:
    if not coordinates:
        raise EntryError(FEW_POINTS)
    problem = "" if len(coordinates) >= MIN_POLYGON else FEW_POINTS
    return Shape(label, "polygon", points_box(coordinates), problem=problem)


def size_box(x: float, y: float, width: float, height: float) -> Box:
    """Return the box of a corner and a size, as COCO and Datumaro write boxes."""
    return x, y, x + width, y + height


def centre_box(cx: float, cy: float, width: float, height: float) -> Box:
    """Return the box of a centre and a size, as YOLO writes boxes."""
    return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2


def rotated_box(box: Box, degrees: float) -> Box:
    """Return the box around `box` after it was turned about its own centre, as CVAT stores rotation."""
    x1, y1, x2, y2 = box
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    width, height = abs(x2 - x1), abs(y2 - y1)
    return centre_box((x1 + x2) / 2, (y1 + y2) / 2, width * cosine + height * sine, width * sine + height * cosine)


def box_shape(label: str, box: Box, degrees: float = 0.0) -> Shape:
    """Return a box as a shape; with an angle it becomes the tight box around the rotated one."""
    if not degrees:
        return Shape(label, BOX, box)
    return Shape(label, ROTATED_BOX, rotated_box(box, degrees), outline=RotatedBox(box, degrees))


def ellipse_shape(label: str, cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0) -> Shape:
    """Return an ellipse with the box around it."""
    outline = Ellipse(cx, cy, rx, ry, degrees)
    return Shape(label, "ellipse", ellipse_box(cx, cy, rx, ry, degrees), outline=outline)


def ellipse_box(cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0) -> Box:
    """Return the box around an ellipse; its extreme x is `cx ± hypot(rx cos, ry sin)`."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return centre_box(cx, cy, 2 * math.hypot(rx * cosine, ry * sine), 2 * math.hypot(rx * sine, ry * cosine))


def mask_shape(label: str, mask: RunLengths) -> Shape:
    """Return a mask with the box around its pixels, which is None for an empty one.

    Raises:
        EntryError: The runs do not fill the mask.
    """
    if min(mask.width, mask.height) <= 0 or not fills(mask):
        raise EntryError(BAD_MASK)
    if mask.by_columns:
        found = run_length_box(mask.counts, minor=mask.height)
        found = found and (found[1], found[0], found[3], found[2])
    else:
        found = run_length_box(mask.counts, minor=mask.width)
    if found is None:
        return Shape(label, "mask", None)
    x1, y1, x2, y2 = found
    return Shape(label, "mask", (mask.left + x1, mask.top + y1, mask.left + x2, mask.top + y2), outline=mask)


def run_length_box(counts: Sequence[int], *, minor: int) -> tuple[int, int, int, int] | None:
    """Return the box of a run-length mask, without unpacking it.

    Args:
        counts: Lengths of runs of zeros, ones, zeros, …; the first may be 0.
        minor: Length of the axis along which the runs go: the width of a row-major mask.

    Returns:
        (minor1, major1, minor2, major2), whole pixels, the upper ends exclusive; None for an empty mask.
    """
    ends = list(accumulate(counts))
    runs = [(start, stop - 1) for start, stop in zip(ends[0::2], ends[1::2], strict=False) if stop > start]
    if not runs:
        return None
    first_line, last_line = runs[0][0] // minor, runs[-1][1] // minor
    if any(start // minor != last // minor for start, last in runs):
        return 0, first_line, minor, last_line + 1  # a run that goes on in the next line touches both ends
    return min(start % minor for start, _ in runs), first_line, max(last % minor for _, last in runs) + 1, last_line + 1


def with_fractions(export: Export) -> Export:
    """Mark the frames of an export whose boxes are parts of the image where pixels are expected.

    No box of pixels is smaller than one; where every box would be, and its corners are no whole numbers, they are
    fractions.
    """
    boxes = [s.box for frame in export.frames if not frame.relative for s in frame.shapes if s.boxed and s.box]
    whole = sum(value in (0, 1) for box in boxes for value in box)
    if len(boxes) < _FEWEST_FRACTIONS or whole > 2 * len(boxes) or not all(0 <= v <= 1 for box in boxes for v in box):
        return export
    note = "the boxes are numbers from 0 to 1 where pixels are expected: taken as parts of the image."
    frames = tuple(replace(frame, relative=True) for frame in export.frames)
    return replace(export, frames=frames, notes=(*export.notes, note))


def decode_coco_counts(text: str) -> list[int]:
    """Decode COCO's compressed run lengths: 5 bits a character, from the third run on as difference to two before.

    Reference:
        rleFrString in https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c

    Raises:
        ValueError: A character outside the code, or the last number is not finished.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise ValueError(f"{character!r} is not part of a run-length code")
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            if shift > _LONGEST_COUNT:
                raise ValueError("a run longer than any image")
            continue
        if code & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the run-length code ends within a number")
    return counts
