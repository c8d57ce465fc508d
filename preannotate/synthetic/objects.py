"""What lies on the table, seen from above: gears, keys, bolts and mugs, and clutter that belongs to no class.

Every class takes its colour from the same metals and paints, so that only its shape distinguishes it; some clutter has
the colours, the roundness or the length of a class.
"""

from collections.abc import Callable
from functools import reduce
from itertools import pairwise

import numpy as np

from preannotate.synthetic.shading import Colour, Part, Plane

LABELS = ("gear", "key", "bolt", "mug")
# A thin key as long as a mug is wide would have a fifth of its pixels.
RELATIVE_SIZE = {"gear": 0.9, "key": 1.2, "bolt": 1.0, "mug": 1.0}

_COLOURS: tuple[Colour, ...] = (
    (0.62, 0.64, 0.67),  # steel
    (0.45, 0.46, 0.48),  # iron
    (0.74, 0.58, 0.26),  # brass
    (0.68, 0.40, 0.27),  # copper
    (0.23, 0.23, 0.26),  # burnished
    (0.70, 0.18, 0.15),  # red
    (0.16, 0.34, 0.62),  # blue
    (0.17, 0.47, 0.27),  # green
    (0.82, 0.66, 0.18),  # yellow
    (0.84, 0.82, 0.77),  # cream
    (0.16, 0.50, 0.52),  # teal
)


_CABLE_STEPS = tuple(i / 9 for i in range(10))


def object_parts(label: str, plane: Plane, rng: np.random.Generator) -> list[Part]:
    """Return the parts of one object, as wide as the plane's unit, with random proportions and colours."""
    return _DRAW_OBJECT[label](plane, rng, colour(rng))


def clutter_parts(plane: Plane, rng: np.random.Generator) -> list[Part]:
    """Return the parts of one random thing of no class, as wide as the plane's unit."""
    return _DRAW_CLUTTER[rng.integers(len(_DRAW_CLUTTER))](plane, rng)


def colour(rng: np.random.Generator) -> Colour:
    """Return one of the shared colours, slightly changed."""
    base = _COLOURS[rng.integers(len(_COLOURS))]
    tint = rng.uniform(-0.03, 0.03, 3) + rng.uniform(-0.08, 0.06)
    red, green, blue = (float(min(max(value + off, 0.06), 0.95)) for value, off in zip(base, tint, strict=True))
    return red, green, blue


def _gear(plane: Plane, rng: np.random.Generator, metal: Colour) -> list[Part]:
    teeth = 2 * int(rng.integers(4, 8))
    root = rng.uniform(0.36, 0.40)
    body = plane.disc(0, 0, root)
    for i in range(teeth // 2):
        body = np.minimum(body, plane.box(0, 0, 0.98, 1.25 / teeth, 360 * i / teeth))
    hub = rng.uniform(0.09, 0.13)
    bevel = max(0.03 * plane.pixels, 1.5)
    if rng.random() < 0.5:  # holes between hub and rim
        holes = int(rng.integers(3, 6))
        middle, radius = (root + hub) / 2, (root - hub) * rng.uniform(0.26, 0.33)
        body = np.maximum(body, -_around(plane, middle, radius, holes))
        body = np.maximum(body, -plane.disc(0, 0, hub))
        return [Part(body, metal, bevel)]
    body = np.maximum(body, -plane.disc(0, 0, hub))
    dish = np.maximum(plane.disc(0, 0, root - 0.07), -plane.disc(0, 0, hub + 0.05))
    sunk = Part(dish, _darker(metal, 0.72), bevel, 0.15)
    return [Part(body, metal, bevel), sunk]


def _around(plane: Plane, middle: float, radius: float, count: int) -> np.ndarray:
    angles = (2 * np.pi * i / count for i in range(count))
    centres = ((round(float(np.cos(angle)), 6) * middle, round(float(np.sin(angle)), 6) * middle) for angle in angles)
    return reduce(np.minimum, (plane.disc(x, y, radius) for x, y in centres))


def _key(plane: Plane, rng: np.random.Generator, metal: Colour) -> list[Part]:
    bow = rng.uniform(0.15, 0.19)
    shaft = rng.uniform(0.028, 0.036)
    centre = -0.5 + bow
    head = plane.disc(centre, 0, bow) if rng.random() < 0.6 else plane.polygon(centre, 0, bow * 0.92, 6, 30)
    body = np.minimum(head, plane.capsule((centre, 0), (0.5 - shaft, 0), shaft))
    at = 0.5 - shaft - 0.02
    for _ in range(int(rng.integers(2, 4))):  # the bit
        length, depth = rng.uniform(0.04, 0.06), rng.uniform(0.09, 0.14)
        body = np.minimum(body, plane.box(at - length / 2, depth / 2, length, depth))
        at -= length + rng.uniform(0.025, 0.035)
    body = np.maximum(body, -plane.disc(centre - bow * 0.12, 0, bow * rng.uniform(0.45, 0.6)))
    return [Part(body, metal, max(0.03 * plane.pixels, 1.5), 0.4)]


def _bolt(plane: Plane, rng: np.random.Generator, metal: Colour) -> list[Part]:
    head, width = rng.uniform(0.17, 0.22), rng.uniform(0.36, 0.44)
    shaft, pitch = width * rng.uniform(0.48, 0.58), rng.uniform(0.042, 0.055)
    start = -0.5 + head
    bevel = max(shaft / 2 * plane.pixels, 1.5)
    smooth = start + rng.uniform(0.05, 0.3)
    saw = np.abs((plane.x / np.float32(pitch)) % 1 - np.float32(0.5)) * 2  # 0 in a groove, 1 on a ridge
    threaded = plane.x > np.float32(smooth)
    shade = np.where(threaded, np.float32(0.55) + np.float32(0.55) * saw, np.float32(1))
    rod = plane.box((start + 0.49) / 2, 0, 0.49 - start + 0.02, shaft)
    rod = rod + np.where(threaded, (1 - saw) * np.float32(0.012 * plane.pixels), 0)
    block = plane.box(start - head / 2, 0, head, width)
    # A hexagonal head from the side: three faces, the middle one in full light.
    middle = np.abs(plane.y) < np.float32(width / 4)
    faces = np.where(middle, np.float32(1.05), np.where(plane.y < 0, np.float32(0.86), np.float32(0.72)))
    return [
        Part(rod, metal, bevel, 0.35, shade=shade),
        Part(block, metal, max(0.03 * plane.pixels, 1.5), 0.35, shade=faces),
    ]


def _mug(plane: Plane, rng: np.random.Generator, glaze: Colour) -> list[Part]:
    radius = rng.uniform(0.36, 0.39)
    centre = -0.5 + radius
    wall = rng.uniform(0.045, 0.06)
    grip = rng.uniform(0.055, 0.075)
    reach = 0.5 - grip / 2
    half = rng.uniform(0.12, 0.15)
    handle = plane.ring(reach - half, 0, half, grip)
    inside = plane.disc(centre, 0, radius - wall)
    fill = plane.disc(centre, 0, radius - wall * 1.6)
    drinks = ((0.20, 0.11, 0.06), (0.45, 0.27, 0.14), (0.36, 0.14, 0.05), (0.72, 0.70, 0.64))
    drink = drinks[rng.integers(len(drinks))]
    # The far wall stays light, the near one lies in its own shade.
    hollow = np.clip(1 + plane.x * np.float32(0.5) + plane.y * np.float32(0.5), 0.5, 1.3) * np.float32(0.6)
    return [
        Part(handle, glaze, max(grip / 2 * plane.pixels, 1.5), 0.6),
        Part(plane.disc(centre, 0, radius), glaze, max(wall * 0.5 * plane.pixels, 1.5), 0.6),
        Part(inside, glaze, 1.5, 0, shade=hollow),
        Part(fill, drink, max(0.02 * plane.pixels, 1.5), 0.12),
    ]


def _darker(base: Colour, factor: float) -> Colour:
    red, green, blue = base
    return red * factor, green * factor, blue * factor


_DRAW_OBJECT: dict[str, Callable[[Plane, np.random.Generator, Colour], list[Part]]] = {
    "gear": _gear,
    "key": _key,
    "bolt": _bolt,
    "mug": _mug,
}


def _pencil(plane: Plane, rng: np.random.Generator) -> list[Part]:
    half = rng.uniform(0.022, 0.03)
    body = plane.box(-0.08, 0, 0.78, 2 * half)
    cone = np.maximum(
        plane.box(0.38, 0, 0.24, 2 * half), plane.pixels * (np.abs(plane.y) - (0.5 - plane.x) * half / 0.19)
    )
    lead = np.maximum(cone, plane.pixels * (np.float32(0.455) - plane.x))
    ferrule = plane.box(-0.44, 0, 0.05, 2 * half)
    bevel = max(half * plane.pixels, 1.5)
    return [
        Part(cone, (0.80, 0.64, 0.44), bevel, 0.05),
        Part(lead, (0.15, 0.15, 0.17), bevel, 0.3),
        Part(body, colour(rng), bevel, 0.3),
        Part(ferrule, (0.7, 0.7, 0.7), bevel, 0.5),
    ]


def _note(plane: Plane, rng: np.random.Generator) -> list[Part]:
    width = rng.uniform(0.5, 0.68)
    papers = ((0.93, 0.92, 0.88), (0.93, 0.85, 0.45), (0.86, 0.62, 0.62), (0.62, 0.80, 0.86))
    sheet = plane.box(0, 0, 0.7, width)
    lines = np.abs((plane.y / np.float32(0.09)) % 1 - np.float32(0.5)) < np.float32(0.1)
    margin = plane.box(rng.uniform(-0.04, 0.0), 0, rng.uniform(0.4, 0.55), width - 0.12) < 0
    words = (plane.x / np.float32(0.11)) % 1 < np.float32(rng.uniform(0.7, 0.95))
    shade = np.where(lines & margin & words, np.float32(0.45), np.float32(1))
    return [Part(sheet, papers[rng.integers(len(papers))], 1.0, 0, shade=shade)]


def _coaster(plane: Plane, rng: np.random.Generator) -> list[Part]:
    bevel = max(rng.uniform(0.03, 0.08) * plane.pixels, 1.5)
    tint = colour(rng)
    disc = Part(plane.disc(0, 0, 0.42), tint, bevel, rng.uniform(0, 0.4))
    inlay = Part(plane.disc(0, 0, rng.uniform(0.2, 0.34)), colour(rng), bevel, 0.1)
    return [disc, inlay] if rng.random() < 0.5 else [disc]


def _washer(plane: Plane, rng: np.random.Generator) -> list[Part]:
    return [Part(plane.ring(0, 0, 0.33, rng.uniform(0.1, 0.28)), colour(rng), max(0.03 * plane.pixels, 1.5), 0.4)]


def _brick(plane: Plane, rng: np.random.Generator) -> list[Part]:
    width = rng.uniform(0.25, 0.5)
    block = Part(plane.box(0, 0, 0.8, width), colour(rng), max(0.04 * plane.pixels, 1.5), 0.15)
    band = Part(plane.box(rng.uniform(-0.2, 0.2), 0, 0.15, width - 0.06), colour(rng), 1.5, 0.1)
    return [block, band] if rng.random() < 0.6 else [block]


def _cable(plane: Plane, rng: np.random.Generator) -> list[Part]:
    radius = rng.uniform(0.018, 0.028)
    first, second = rng.uniform(-0.6, 0.6, 2)
    # Bernstein's polynomials: the two inner control points pull the line aside.
    points = [(-0.47 + 0.94 * t, 3 * t * (1 - t) * ((1 - t) * first + t * second)) for t in _CABLE_STEPS]
    line = plane.capsule(points[0], points[1], radius)
    for start, end in pairwise(points[1:]):
        line = np.minimum(line, plane.capsule(start, end, radius))
    return [Part(line, colour(rng), max(radius * plane.pixels, 1.5), 0.4)]


def _pebble(plane: Plane, rng: np.random.Generator) -> list[Part]:
    stone = plane.disc(0, 0, 0.34)
    for _ in range(2):
        stone = np.minimum(stone, plane.disc(rng.uniform(-0.14, 0.14), rng.uniform(-0.1, 0.1), 0.32))
    grey = rng.uniform(0.35, 0.7)
    tint = (grey, grey * rng.uniform(0.9, 1.0), grey * rng.uniform(0.8, 1.0))
    return [Part(stone, tint, max(0.25 * plane.pixels, 2), 0.08)]


_DRAW_CLUTTER: tuple[Callable[[Plane, np.random.Generator], list[Part]], ...] = (
    _pencil,
    _note,
    _coaster,
    _washer,
    _brick,
    _cable,
    _pebble,
)
