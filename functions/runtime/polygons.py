"""Polygons of masks, with as few points as hold a tolerance: people drag these points.

A polygon starts as the longest straight lines that stay near the outline. Then each is moved to the middle of its part
of the outline, and its ends to where it meets its neighbours: corners come out as corners, and as much lies outside of
the polygon as inside.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

from runtime.contours import sides, signed_area, trace
from runtime.masks import InstanceMask

# No point of an outline is farther from its polygon: this part of the diagonal of the object's box, but
TOLERANCE = 0.005
# at least so many pixels, below which an outline is only the steps of its pixels.
MIN_TOLERANCE = 0.75
# A long and thin object keeps its width: in between, no more than this part of its mean width.
_OF_WIDTH = 0.25
# Only a mask so ragged that even this many points do not hold its outline is looked at with fewer pixels until they do.
MAX_POINTS = 200
# Of an outline; the mask of a longer one is looked at with fewer pixels.
_MAX_SIDES = 30_000
_MAX_PIXELS = 4_000_000
_DECIMALS = 2


def tolerance(mask: InstanceMask) -> float:
    """Return how far, in pixels, a point of the outline may be from the polygon; of a thin object it is less."""
    return max(MIN_TOLERANCE, TOLERANCE * math.hypot(mask.width, mask.height))


def polygon(mask: InstanceMask) -> np.ndarray:
    """Return the polygon around the largest part of a mask, without its holes: what CVAT holds in one shape.

    Returns:
        float64 (P, 2), P >= 3: x, y in image pixels, in hundredths, inside of the mask's box and so of its image. It
        does not cross or touch itself.
    """
    return polygons(mask, parts=1)[0]


def polygons(mask: InstanceMask, *, parts: int | None = None) -> list[np.ndarray]:
    """Return a polygon as `polygon` for each part of a mask, without holes, the largest part first.

    Args:
        mask: Any.
        parts: At most so many; None for all.
    """
    bitmap, step = _bounded(mask.bitmap)
    while bitmap.size > 1:
        areas = [(signed_area(outline), outline) for outline in _outlines(bitmap, step, mask)]
        outer = sorted((found for found in areas if found[0] > 0), key=lambda found: -found[0])
        found = []
        for _, outline in outer[:parts]:
            if (points := _simplified(outline, mask)) is None:
                break
            found.append(points)
        else:
            return found
        bitmap, step = _coarser(bitmap), 2 * step
    return [_rectangle(mask)]


def outlines(mask: InstanceMask) -> list[np.ndarray]:
    """Return all outlines of a mask as `contours.trace` gives them, in image pixels, also those of holes: to be drawn.

    Those of a very large or very ragged mask are coarser.
    """
    return _outlines(*_bounded(mask.bitmap), mask)


def _outlines(bitmap: np.ndarray, step: int, mask: InstanceMask) -> list[np.ndarray]:
    """Return the outlines of a bitmap that has a pixel for so many columns and rows of the mask."""
    end = (mask.width, mask.height)
    corner = np.array([mask.left, mask.top])
    return [np.minimum(outline * step, end) + corner for outline in trace(bitmap)]


def _bounded(bitmap: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a bitmap whose outlines take bounded time, and how many columns and rows each of its pixels stands for."""
    step = 1
    while bitmap.size > _MAX_PIXELS or sides(bitmap) > _MAX_SIDES:
        bitmap, step = _coarser(bitmap), 2 * step
    return bitmap, step


def _coarser(bitmap: np.ndarray) -> np.ndarray:
    """Return a bitmap of half the size: what at least two of four pixels show, or one where no two are close."""
    height, width = bitmap.shape
    even = np.zeros((height + height % 2, width + width % 2), np.uint8)
    even[:height, :width] = bitmap
    found = even[::2, ::2] + even[::2, 1::2] + even[1::2, ::2] + even[1::2, 1::2]
    return found >= min(2, int(found.max()))


def _rectangle(mask: InstanceMask) -> np.ndarray:
    x1, y1, x2, y2 = mask.box
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])


def is_simple(points: np.ndarray) -> bool:
    """Whether a closed line (P, 2) is a polygon as `polygon` gives them.

    It has three to `MAX_POINTS` points and an area, and no line meets another one.
    """
    count = len(points)
    if count < 3 or count > MAX_POINTS or signed_area(points) <= 0:
        return False
    ends = _turned(points, 1)
    # side[i, j]: on which side of line i point j lies.
    way = ends - points
    gap = points[None] - points[:, None]
    side = np.sign(way[:, None, 0] * gap[..., 1] - way[:, None, 1] * gap[..., 0])
    side_of_end = np.concatenate([side[:, 1:], side[:, :1]], axis=1)
    parted = side * side_of_end <= 0
    low, high = np.minimum(points, ends), np.maximum(points, ends)
    near_each_other = (low[:, None] <= high[None]).all(axis=2)
    crossing = parted & parted.T & near_each_other & near_each_other.T
    line = np.arange(count)
    for shift in (-1, 0, 1):  # a line and its neighbours meet at a corner
        crossing[line, (line + shift) % count] = False
    return not crossing.any() and _turns(way)


def _simplified(outline: np.ndarray, mask: InstanceMask) -> np.ndarray | None:
    """Return the polygon of an outline of a mask; None if it needs more than `MAX_POINTS`."""
    width = 2 * signed_area(outline) / len(outline)
    allowed = max(min(tolerance(mask), _OF_WIDTH * width), MIN_TOLERANCE)
    box = outline.min(axis=0), outline.max(axis=0)
    # It begins where a corner is most likely.
    outline = _turned(outline, int(np.argmax(((outline - outline.mean(axis=0)) ** 2).sum(axis=1))))
    while allowed > MIN_TOLERANCE / 4 and len(corners := _corners(outline, allowed)) <= MAX_POINTS:
        fitted = np.clip(_fitted(outline, corners, allowed), *box).round(_DECIMALS)
        if _farthest(outline, corners, fitted) <= allowed and is_simple(fitted):
            return fitted
        plain = outline[corners].round(_DECIMALS)
        if is_simple(plain):
            return plain
        allowed /= 2
    return outline.round(_DECIMALS) if len(outline) <= MAX_POINTS and is_simple(outline) else None


def _corners(outline: np.ndarray, allowed: float) -> list[int]:
    """Return which points of an outline to keep, so that no other one is farther than `allowed` from the polygon.

    From each point as far as it goes: the points in between leave a wedge of directions in which a line passes all of
    them (Sklansky and Gonzalez, "Fast polygonal approximation of digitized curves", 1980).
    """
    count = len(outline)
    x, y = (np.concatenate([outline[:, axis]] * 2).tolist() for axis in (0, 1))
    # What passes both ends of a straight part of the outline passes all of it.
    step = _turned(outline, 1) - outline
    bends = np.flatnonzero((step != _turned(step, -1)).any(axis=1))
    bends = np.concatenate([bends, bends + count]).tolist()

    def reach(start: int, end: int) -> int:
        ends = [*bends[bisect_right(bends, start) : bisect_left(bends, end)], end]
        return _reach(x, y, start, ends, allowed**2)

    corners = [0]
    while corners[-1] < count:
        corners.append(reach(corners[-1], count))
    corners.pop()
    # The first was chosen before anything was known: perhaps a line passes it, too.
    if len(corners) > 3 and reach(corners[-1], count + corners[1]) == count + corners[1]:
        del corners[0]
    return corners


def _reach(x: Sequence[float], y: Sequence[float], start: int, ends: Sequence[int], allowed2: float) -> int:
    """Return the last point such that a line from `start` to it passes all in between closely enough.

    `ends` are those of the straight parts of the outline from there on.
    """
    x0, y0, before, reached, farthest, narrowed = x[start], y[start], start, ends[0], 0.0, False
    left_x = left_y = right_x = right_y = 0.0
    for number in ends:
        dx, dy = x[number] - x0, y[number] - y0
        distance2 = dx * dx + dy * dy
        # A line that ended before the farthest point would not pass it.
        if distance2 >= farthest:
            if not narrowed or (left_x * dy >= left_y * dx and dx * right_y >= dy * right_x):
                reached = number
            elif reached == before:
                # Of a straight part that leaves the wedge, the last point in it.
                outside = number
                while outside - reached > 1:
                    middle = (reached + outside) // 2
                    to_x, to_y = x[middle] - x0, y[middle] - y0
                    inside = left_x * to_y >= left_y * to_x and to_x * right_y >= to_y * right_x
                    if inside and to_x * to_x + to_y * to_y >= farthest:
                        reached = middle
                    else:
                        outside = middle
            farthest = distance2
        if distance2 > allowed2:
            # A line into the wedge leads away from what lies behind its start, and does not pass it.
            if narrowed and dx * (left_x + right_x) + dy * (left_y + right_y) <= 0:
                break
            sine2 = allowed2 / distance2
            sine, cosine = math.sqrt(sine2), math.sqrt(1 - sine2)
            low_x, low_y = dx * cosine + dy * sine, dy * cosine - dx * sine
            high_x, high_y = dx * cosine - dy * sine, dy * cosine + dx * sine
            if not narrowed or left_x * low_y > left_y * low_x:
                left_x, left_y = low_x, low_y
            if not narrowed or high_x * right_y > high_y * right_x:
                right_x, right_y = high_x, high_y
            narrowed = True
            if left_x * right_y < left_y * right_x:
                break
        before = number
    return reached


def _fitted(outline: np.ndarray, corners: Sequence[int], allowed: float) -> np.ndarray:
    """Return the corners (P, 2) between lines of least squares of their parts of the outline.

    A corner stays where it was if its lines are nearly parallel or meet too far from it.
    """
    outline = np.concatenate([outline[corners[0] :], outline[: corners[0] + 1]])
    ends = np.array([*corners, len(outline) - 1 + corners[0]]) - corners[0]
    x, y = (outline - outline[0]).T
    sums = np.concatenate([np.zeros((1, 5)), np.cumsum(np.stack([x, y, x * x, x * y, y * y], axis=1), axis=0)])
    # The points at both ends may belong to the neighbours' lines.
    inner = np.where(np.diff(ends) >= 4, 1, 0)
    first, behind = ends[:-1] + inner, ends[1:] + 1 - inner
    x, y, xx, xy, yy = (sums[behind] - sums[first]).T / (behind - first)
    angle = np.arctan2(2 * (xy - x * y), (xx - x * x) - (yy - y * y)) / 2
    # Points of a line: normal_x * x + normal_y * y = offset.
    normal_x, normal_y = -np.sin(angle), np.cos(angle)
    offset = normal_x * x + normal_y * y
    before_x, before_y, before_offset = (_turned(values, -1) for values in (normal_x, normal_y, offset))
    determinant = before_x * normal_y - before_y * normal_x
    meets = np.abs(determinant) > 1e-3
    divisor = np.where(meets, determinant, 1)
    met = np.stack(
        [(before_offset * normal_y - before_y * offset), (before_x * offset - before_offset * normal_x)], axis=1
    )
    met = met / divisor[:, None] + outline[0]
    kept = outline[ends[:-1]]
    meets &= ((met - kept) ** 2).sum(axis=1) <= allowed**2
    return np.where(meets[:, None], met, kept)


def _farthest(outline: np.ndarray, corners: Sequence[int], found: np.ndarray) -> float:
    """Return the greatest distance of a point of the outline to its line of the polygon `found`."""
    lengths = np.diff([*corners, len(outline) + corners[0]])
    line = np.repeat(np.arange(len(corners)), lengths)
    start, way = found[line], (_turned(found, 1) - found)[line]
    gap = _turned(outline, corners[0]) - start
    along = np.clip((gap * way).sum(axis=1) / np.maximum((way**2).sum(axis=1), 1e-9), 0, 1)
    return float(np.sqrt(((gap - along[:, None] * way) ** 2).sum(axis=1)).max())


def _turns(way: np.ndarray) -> bool:
    """Whether no line is empty or goes back on the one before."""
    before = _turned(way, -1)
    back = (before[:, 0] * way[:, 1] == before[:, 1] * way[:, 0]) & ((before * way).sum(axis=1) <= 0)
    return not back.any()


def _turned(values: np.ndarray, first: int) -> np.ndarray:
    """Return the values of a closed line, beginning with another one; `np.roll` takes ten times as long."""
    return np.concatenate([values[first:], values[:first]])
