"""Polygons of masks: near enough, few points, never broken."""

import itertools
import math
import time
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw

from runtime import polygons
from runtime.contours import signed_area
from runtime.masks import InstanceMask
from runtime.polygons import MAX_POINTS, is_simple, outlines, polygon, tolerance

Points = Sequence[Sequence[float]]


def _mask(*rows: str, left: int = 0, top: int = 0) -> InstanceMask:
    return _of(np.array([[mark == "#" for mark in row] for row in rows]), left, top)


def _of(bitmap: np.ndarray, left: int = 0, top: int = 0) -> InstanceMask:
    mask = InstanceMask.from_bitmap(bitmap, left, top)
    assert mask is not None
    return mask


def _disc(diameter: int) -> InstanceMask:
    y, x = np.mgrid[:diameter, :diameter] + 0.5
    return _of((x - diameter / 2) ** 2 + (y - diameter / 2) ** 2 < (diameter / 2) ** 2)


def _iou(mask: InstanceMask, points: Points) -> float:
    """Of a mask that begins at (0, 0), with a polygon drawn at eight times its size."""
    image = Image.new("1", (mask.width * 8, mask.height * 8))
    ImageDraw.Draw(image).polygon([(x * 8, y * 8) for x, y in points], fill=1)
    drawn = np.asarray(image, float).reshape(mask.height, 8, mask.width, 8).mean(axis=(1, 3))
    common = np.minimum(drawn, mask.bitmap).sum()
    return float(common / (drawn.sum() + mask.area - common))


def _segment_distance(point: Sequence[float], a: Sequence[float], b: Sequence[float]) -> float:
    (px, py), (ax, ay), (bx, by) = point, a, b
    length2 = (bx - ax) ** 2 + (by - ay) ** 2
    along = min(max(((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length2, 0), 1)
    return math.hypot(px - ax - along * (bx - ax), py - ay - along * (by - ay))


def _side(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> int:
    value = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (value > 1e-9) - (value < -1e-9)


def _meet(a: Sequence[float], b: Sequence[float], c: Sequence[float], d: Sequence[float]) -> bool:
    if _side(a, b, c) * _side(a, b, d) > 0 or _side(c, d, a) * _side(c, d, b) > 0:
        return False
    return all(min(a[k], b[k]) <= max(c[k], d[k]) and min(c[k], d[k]) <= max(a[k], b[k]) for k in (0, 1))


def _check(points: Points, mask: InstanceMask) -> None:
    """A polygon that CVAT can hold and a person can edit."""
    assert len(points) >= 3
    x1, y1, x2, y2 = mask.box
    assert all(x1 <= x <= x2 and y1 <= y <= y2 for x, y in points)
    lines = list(zip(points, [*points[1:], points[0]], strict=True))
    assert all(tuple(a) != tuple(b) for a, b in lines)
    for (i, (a, b)), (j, (c, d)) in itertools.combinations(enumerate(lines), 2):
        if j - i in (1, len(lines) - 1):  # neighbours have a corner in common, and nothing else
            first, corner, last = (a, b, d) if j - i == 1 else (c, a, b)
            assert len(lines) > 2
            opposite = (first[0] - corner[0]) * (last[0] - corner[0]) + (first[1] - corner[1]) * (last[1] - corner[1])
            assert _side(first, corner, last) != 0 or opposite < 0
        else:
            assert not _meet(a, b, c, d)


def test_a_rectangle_has_its_four_corners() -> None:
    points = polygon(_of(np.ones((30, 50)), left=7, top=9))
    assert sorted(map(tuple, points.tolist())) == [(7, 9), (7, 39), (57, 9), (57, 39)]


def test_a_rectangle_that_is_turned_has_four_too() -> None:
    y, x = np.mgrid[:100, :100] - 50
    turned = _of((np.abs(x * 0.8 + y * 0.6) < 30) & (np.abs(y * 0.8 - x * 0.6) < 20))
    points = polygon(turned)
    assert len(points) == 4
    _check(points.tolist(), turned)


@pytest.mark.parametrize(("diameter", "most", "least_iou"), [(20, 10, 0.94), (60, 16, 0.97), (200, 24, 0.985)])
def test_a_disc_has_few_points_and_as_much_outside_as_inside(diameter: int, most: int, least_iou: float) -> None:
    mask = _disc(diameter)
    points = polygon(mask)
    assert len(points) <= most
    assert _iou(mask, points.tolist()) >= least_iou
    _check(points.tolist(), mask)


def test_no_point_of_the_outline_is_farther_than_the_tolerance() -> None:
    rng = np.random.default_rng(4)
    for size in (8, 30, 90):
        for _ in range(12):
            mask = _blob(rng, size)
            points = polygon(mask).tolist()
            _check(points, mask)
            assert _farthest(points, max(outlines(mask), key=len)) <= tolerance(mask) + 0.01


def test_lines_of_one_pixel_that_turn_back_are_followed_to_their_ends() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        image = Image.new("1", (30, 30))
        ImageDraw.Draw(image).line([tuple(corner) for corner in rng.integers(0, 30, (4, 2)).tolist()], fill=1)
        mask = _of(np.asarray(image))
        outline = max(outlines(mask), key=signed_area)
        assert _farthest(polygon(mask).tolist(), outline) <= tolerance(mask) + 0.01


@pytest.mark.parametrize(("width", "least_iou"), [(2, 0.7), (3, 0.8), (6, 0.85)])
def test_a_long_line_keeps_its_width(width: int, least_iou: float) -> None:
    image = Image.new("1", (600, 400))
    ImageDraw.Draw(image).line([(10, 20), (400, 90), (590, 380)], fill=1, width=width)
    mask = _of(np.asarray(image))
    mask = mask.moved(-mask.left, -mask.top)
    points = polygon(mask).tolist()
    assert _iou(mask, points) >= least_iou
    assert len(points) <= 12


def _farthest(points: Points, outline: np.ndarray) -> float:
    lines = list(zip(points, [*points[1:], points[0]], strict=True))
    return max(min(_segment_distance(point, *line) for line in lines) for point in outline.tolist())


def _blob(rng: np.random.Generator, size: int) -> InstanceMask:
    angles = np.sort(rng.random(9)) * 2 * np.pi
    radii = size / 2 * (0.4 + 0.6 * rng.random(9))
    image = Image.new("1", (size, size))
    corners = [(size / 2 + r * np.cos(a), size / 2 + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]
    ImageDraw.Draw(image).polygon(corners, fill=1)
    return _of(np.asarray(image))


@pytest.mark.parametrize(
    "rows",
    [
        ("#",),
        ("##",),
        ("#" * 40,),
        ("#", "#", "#"),
        ("#.", ".#"),
        tuple("." * k + "#" + "." * (19 - k) for k in range(20)),
        ("#.#.#.#.#", "#########"),
        ("###", "#.#", "###"),
        ("#######", "#.....#", "#.###.#", "#.#.#.#", "#.#...#", "#.#####"),
        ("###.", "#.##", "###.", "..#."),
    ],
)
def test_odd_shapes_have_a_polygon_that_is_one(rows: tuple[str, ...]) -> None:
    mask = _mask(*rows, left=3, top=4)
    _check(polygon(mask).tolist(), mask)


def test_random_pixels_have_polygons_that_are_some() -> None:
    rng = np.random.default_rng(8)
    for _ in range(60):
        bitmap = rng.random(rng.integers(1, 25, 2)) < rng.random()
        if bitmap.any():
            mask = _of(bitmap)
            for points in polygons.polygons(mask):
                _check(points.tolist(), mask)


def test_the_largest_part_counts_and_the_others_are_there_too() -> None:
    mask = _mask("#..###", "...###", "##.###")
    assert polygon(mask)[:, 0].min() == 3
    assert [float(points[:, 0].max()) for points in polygons.polygons(mask)] == [6.0, 2.0, 1.0]


def test_a_hole_is_not_in_the_polygon_and_is_in_the_outlines() -> None:
    ring = np.ones((40, 40), bool)
    ring[10:30, 10:30] = False
    assert sorted(map(tuple, polygon(_of(ring)).tolist())) == [(0, 0), (0, 40), (40, 0), (40, 40)]
    assert len(outlines(_of(ring))) == 2


def test_a_ragged_mask_takes_bounded_time_and_points() -> None:
    rng = np.random.default_rng(6)
    bitmap = rng.random((1500, 1500)) < 0.6
    started = time.process_time()
    points = polygon(_of(bitmap))
    assert time.process_time() - started < 5
    assert 3 <= len(points) <= MAX_POINTS
    grid = np.zeros((1001, 1001), bool)
    grid[1::2, 1::2] = True  # nothing but single pixels
    assert len(polygon(_of(grid))) >= 3


@pytest.mark.parametrize("share", [0.45, 0.5, 0.6])
def test_a_ragged_mask_is_smoothed_until_it_has_a_polygon_of_few_points(share: float) -> None:
    rng = np.random.default_rng(9)
    noise = _of(rng.random((190, 270)) < share)
    comb = np.zeros((200, 301), bool)
    comb[0], comb[:, ::2] = True, True
    for mask in (noise, _of(comb)):
        points = polygon(mask)
        assert is_simple(points)
        _check(points.tolist(), mask)
        assert all(is_simple(part) for part in polygons.polygons(mask))


def test_a_huge_mask_is_looked_at_with_fewer_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = _disc(300)
    exact = polygon(mask)
    monkeypatch.setattr(polygons, "_MAX_PIXELS", 10_000)
    coarse = polygon(mask)
    _check(coarse.tolist(), mask)
    assert _iou(mask, coarse.tolist()) > _iou(mask, exact.tolist()) - 0.02
