"""Outlines of bitmaps of a few pixels, written as pictures."""

import numpy as np
import pytest

from runtime.contours import sides, signed_area, trace


def _bitmap(*rows: str) -> np.ndarray:
    return np.array([[mark == "#" for mark in row] for row in rows])


def test_the_outline_of_a_pixel_goes_clockwise_through_the_middles_of_its_sides() -> None:
    (outline,) = trace(_bitmap("..", ".#"))
    first = outline.tolist().index([1.5, 1])
    assert np.roll(outline, -first, axis=0).tolist() == [[1.5, 1], [2, 1.5], [1.5, 2], [1, 1.5]]
    assert signed_area(outline) == 0.5


@pytest.mark.parametrize(
    ("rows", "areas"),
    [
        (("##", "##"), [3.5]),  # a corner of an eighth is missing at each of four corners
        (("###", "#.#", "###"), [-0.5, 8.5]),
        (("#.", ".#"), [1.5]),  # 2 x 0.5, and what lies between them, 2 x 0.25: one part
        (("#.#",), [0.5, 0.5]),
        (("..", ".."), []),
        (("#####", "#...#", "#.#.#", "#...#", "#####"), [-8.5, 0.5, 24.5]),
    ],
)
def test_parts_and_holes(rows: tuple[str, ...], areas: list[float]) -> None:
    bitmap = _bitmap(*rows)
    found = trace(bitmap)
    assert sorted(round(signed_area(outline), 3) for outline in found) == areas
    assert sides(bitmap) == sum(map(len, found))


def test_random_bitmaps_are_enclosed_by_outlines_that_pass_each_side_once() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        bitmap = rng.random(rng.integers(1, 8, 2)) < rng.random()
        outlines = trace(bitmap)
        points = np.concatenate([np.zeros((0, 2)), *outlines])
        assert len(np.unique(points, axis=0)) == len(points) == sides(bitmap)
        for outline in outlines:
            steps = np.abs(np.diff(outline, axis=0, append=outline[:1])).sum(axis=1)
            assert np.isin(steps, (1.0,)).all()  # half a pixel in each direction, or one in one
        for y, x in np.ndindex(bitmap.shape):
            assert sum(_winds(outline, x + 0.5, y + 0.5) for outline in outlines) == bitmap[y, x]


def _winds(outline: np.ndarray, x: float, y: float) -> int:
    """How often a line winds around a point, clockwise: upward and downward crossings of the ray to the right."""
    winding = 0
    for (x1, y1), (x2, y2) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if (y1 <= y) != (y2 <= y) and x1 + (y - y1) / (y2 - y1) * (x2 - x1) > x:
            winding += 1 if y2 > y1 else -1
    return winding
