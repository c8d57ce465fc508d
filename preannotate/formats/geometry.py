"""Tight axis-aligned boxes of other shapes.

All boxes are xyxy, y points down, angles are degrees clockwise.
"""

import math
from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]


def points_box(points: Sequence[tuple[float, float]] | np.ndarray) -> Box:
    """Box around points (P, 2), P at least 1."""
    array = np.asarray(points, np.float64).reshape(-1, 2)
    return (*array.min(axis=0).tolist(), *array.max(axis=0).tolist())


def rotated_box(box: Box, degrees: float) -> Box:
    """Box around `box` after it was turned about its own centre, as CVAT stores rotation."""
    x1, y1, x2, y2 = box
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    width, height = x2 - x1, y2 - y1
    half_width = (width * cosine + height * sine) / 2
    half_height = (width * sine + height * cosine) / 2
    return _about((x1 + x2) / 2, (y1 + y2) / 2, half_width, half_height)


def ellipse_box(cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0) -> Box:
    """Box around an ellipse; its extreme x is `cx ± hypot(rx cos, ry sin)`."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return _about(cx, cy, math.hypot(rx * cosine, ry * sine), math.hypot(rx * sine, ry * cosine))


def run_length_box(counts: Sequence[int], *, minor: int) -> tuple[int, int, int, int] | None:
    """Box of a run-length mask, without unpacking it.

    Args:
        counts: Lengths of runs of zeros, ones, zeros, …; the first may be 0.
        minor: Length of the axis along which the runs go: the width of a row-major mask.

    Returns:
        (minor1, major1, minor2, major2), whole pixels, the upper ends exclusive; None for an empty mask.

    """
    ends = np.cumsum(np.asarray(counts, np.int64))
    starts, stops = ends[0::2][: len(ends) // 2], ends[1::2]
    kept = stops > starts
    starts, lasts = starts[kept], stops[kept] - 1
    if not len(starts):
        return None
    first_line, last_line = starts // minor, lasts // minor
    if (first_line != last_line).any():
        # A run that goes on in the next line touches both ends of the minor axis.
        low = 0
        high = minor
        return low, int(first_line.min()), high, int(last_line.max()) + 1
    return (
        int((starts % minor).min()),
        int(first_line.min()),
        int((lasts % minor).max()) + 1,
        int(last_line.max()) + 1,
    )


def decode_coco_counts(text: str) -> list[int]:
    """COCO's compressed run lengths: 5 bits a character, the third run on as difference to two before.

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
            continue
        if code & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the run-length code ends within a number")
    return counts


def _about(cx: float, cy: float, half_width: float, half_height: float) -> Box:
    return cx - half_width, cy - half_height, cx + half_width, cy + half_height
