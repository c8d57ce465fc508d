"""The four classes: what a gear, a key, a bolt and a mug look like from above.

Every class takes its colour from the same metals and paints, so that only its shape distinguishes it.
"""

from collections.abc import Callable
from functools import reduce

import numpy as np

from preannotate.synthetic.distance import Plane
from preannotate.synthetic.shading import Colour, Part

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


def object_parts(label: str, plane: Plane, rng: np.random.Generator) -> list[Part]:
    """Return the parts of one object, as wide as the plane's unit, with random proportions and colours."""
    return _DRAW[label](plane, rng, colour(rng))


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


_DRAW: dict[str, Callable[[Plane, np.random.Generator, Colour], list[Part]]] = {
    "gear": _gear,
    "key": _key,
    "bolt": _bolt,
    "mug": _mug,
}
