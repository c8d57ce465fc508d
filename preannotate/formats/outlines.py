"""Outlines of shapes as annotation files give them: what lies inside is the mask of the object.

Coordinates are those of the frame: pixels of its declared size, or fractions of the image; (0, 0) is the upper left
corner of the first pixel. Without NumPy, as all formats: masks of pixels are made of outlines by `trainer.datasets`.
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

# Of a picture, Base64: more is no mask.
MAX_PICTURE = 1 << 26
# Sides of the polygon that stands for an ellipse: it is inside by less than 0.0002 of the radius.
_ELLIPSE_SIDES = 180


@dataclass(frozen=True)
class Polygons:
    """One or more polygons that are one object together, such as a car behind a pole.

    A polygon that touches itself may have a hole: inside is what an odd number of its sides must be crossed to reach.

    Attributes:
        parts: x1, y1, x2, y2, … of each, at least three points.
    """

    parts: tuple[Sequence[float], ...]

    @classmethod
    def of(cls, parts: Iterable[Iterable[float]]) -> "Polygons":
        """Return the polygons, packed."""
        return cls(tuple(array("d", part) for part in parts))

    def polygons(self) -> "Polygons":
        """Return the same."""
        return self


@dataclass(frozen=True)
class RotatedBox:
    """A box, xyxy, turned about its centre by `degrees` clockwise, as CVAT stores it."""

    box: tuple[float, float, float, float]
    degrees: float

    def polygons(self) -> Polygons:
        """Return its four corners."""
        x1, y1, x2, y2 = self.box
        cx, cy, turn = (x1 + x2) / 2, (y1 + y2) / 2, math.radians(self.degrees)
        return _turned([(x1 - cx, y1 - cy), (x2 - cx, y1 - cy), (x2 - cx, y2 - cy), (x1 - cx, y2 - cy)], cx, cy, turn)


@dataclass(frozen=True)
class Ellipse:
    """An ellipse by centre and radii, turned about its centre by `degrees` clockwise."""

    cx: float
    cy: float
    rx: float
    ry: float
    degrees: float = 0.0

    def polygons(self) -> Polygons:
        """Return a polygon of many sides."""
        angles = (2 * math.pi * side / _ELLIPSE_SIDES for side in range(_ELLIPSE_SIDES))
        points = [(self.rx * math.cos(angle), self.ry * math.sin(angle)) for angle in angles]
        return _turned(points, self.cx, self.cy, math.radians(self.degrees))


@dataclass(frozen=True)
class RunLengths:
    """A mask of whole pixels in a rectangle of the frame, as runs of background and object in turn.

    Attributes:
        counts: Lengths of the runs, background first; not checked. They fill the rectangle row by row.
        by_columns: Column by column instead, as COCO has it.
    """

    counts: Sequence[int]
    left: int
    top: int
    width: int
    height: int
    by_columns: bool = False


@dataclass(frozen=True)
class MaskPicture:
    """A mask as LabelMe keeps it: a picture, Base64 and not checked, whose upper left pixel is (left, top)."""

    base64: str
    left: int
    top: int


Outline = Polygons | RotatedBox | Ellipse | RunLengths | MaskPicture


# Of a shape whose outline is there and cannot be read, beside a box that can: no pixel is inside.
UNREADABLE = Polygons(())


def packed(outline: Outline | None) -> Outline | None:
    """Return an outline in less memory: an export may have a million."""
    match outline:
        case Polygons():
            return Polygons.of(outline.parts)
        case RunLengths():
            return replace(outline, counts=array("q", outline.counts))
        case _:
            return outline


def polygon_area(points: Sequence[float]) -> float:
    """Return the area of a polygon that does not cross itself, x1, y1, x2, y2, …."""
    xs, ys = points[0::2], points[1::2]
    following = zip([*xs[1:], xs[0]], [*ys[1:], ys[0]], strict=True)
    return abs(sum(x * next_y - next_x * y for x, y, (next_x, next_y) in zip(xs, ys, following, strict=True))) / 2


def fills(mask: RunLengths) -> bool:
    """Return whether the runs of a mask fill its rectangle, no more and no less."""
    return min(mask.counts, default=0) >= 0 and sum(mask.counts) == mask.width * mask.height


def column_runs(mask: RunLengths, size: tuple[int, int]) -> list[int]:
    """Return the runs of a mask in a whole image of `size` (width, height), column by column, as COCO writes them.

    Raises:
        ValueError: The runs do not fill the rectangle, or it is not inside the image.
    """
    inside = min(mask.left, mask.top) >= 0 and min(mask.width, mask.height) > 0
    inside = inside and mask.left + mask.width <= size[0] and mask.top + mask.height <= size[1]
    if not inside or not fills(mask):
        raise ValueError(f"mask of {mask.width}x{mask.height} at {mask.left}, {mask.top}, in an image of {size}")
    flat = b"".join(bytes([index % 2]) * count for index, count in enumerate(mask.counts))
    if mask.by_columns:
        columns = [flat[x * mask.height : (x + 1) * mask.height] for x in range(mask.width)]
    else:
        columns = [flat[x :: mask.width] for x in range(mask.width)]
    above, below = bytes(mask.top), bytes(size[1] - mask.top - mask.height)
    pixels = b"".join(above + column + below for column in columns)
    runs, start, value = [], 0, 0
    while start < len(pixels):
        end = pixels.find(1 - value, start)
        end = len(pixels) if end < 0 else end
        runs.append(end - start)
        start, value = end, 1 - value
    before, behind = (count * size[1] for count in (mask.left, size[0] - mask.left - mask.width))
    runs[0] += before
    if len(runs) % 2:  # it ends with background
        runs[-1] += behind
    elif behind:
        runs.append(behind)
    return runs


def _turned(points: Iterable[tuple[float, float]], cx: float, cy: float, radians: float) -> Polygons:
    cosine, sine = math.cos(radians), math.sin(radians)
    turned = ((cx + x * cosine - y * sine, cy + x * sine + y * cosine) for x, y in points)
    return Polygons.of([[value for point in turned for value in point]])
