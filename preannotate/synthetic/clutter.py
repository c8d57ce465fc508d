"""Things that lie about and belong to no class; some have a class's colours, roundness or length."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from preannotate.synthetic.distance import Plane
from preannotate.synthetic.objects import colour
from preannotate.synthetic.shading import Part

_CABLE_STEPS = tuple(i / 9 for i in range(10))


def clutter_parts(plane: Plane, rng: np.random.Generator) -> list[Part]:
    """Return the parts of one random thing, as wide as the plane's unit."""
    return _DRAW[rng.integers(len(_DRAW))](plane, rng)


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


_DRAW: tuple[Callable[[Plane, np.random.Generator], list[Part]], ...] = (
    _pencil,
    _note,
    _coaster,
    _washer,
    _brick,
    _cable,
    _pebble,
)
