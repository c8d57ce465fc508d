"""The default size of the network's input."""

import statistics
from collections.abc import Sequence

from trainer.config import SMALLEST_SIDE

# Every feature level down to stride 32 then has whole cells.
MULTIPLE = 32
# As many pixels as two cores train on in minutes; model families may have others.
SIDE = 320
# Photos of one camera differ in shape by rounding only; the next ones will have the same shape.
_SAME_SHAPE = 0.05
_SHARE = 0.9
# Sides of a shape relative to those of the square.
_NARROWEST, _WIDEST = 0.6, 1.7
# A shape may have this much more or less area than the square: multiples of 32 do not hit it exactly.
_TOLERANCE = 0.12


def choose(image_sizes: Sequence[tuple[int, int]], *, side: int = SIDE) -> tuple[int, int]:
    """Return the square, or the shape of the photos if nearly all have the same: (width, height), multiples of 32.

    Photos of mixed shapes get the square even if most are wide: a wide input would shrink the upright ones. Shapes have
    about as many pixels as the square, whose `side` is a multiple of 32. There must be at least one photo.

    >>> choose([(800, 600)]), choose([(1920, 1080)]), choose([(800, 600), (600, 800)])
    ((384, 288), (416, 224), (320, 320))
    """
    usual = _usual_aspect(image_sizes)
    if usual is None:
        return side, side
    sides = range(_multiple(side * _NARROWEST), _multiple(side * _WIDEST) + 1, MULTIPLE)
    shapes = [(w, h) for w in sides for h in sides if abs(w * h / side**2 - 1) <= _TOLERANCE]
    return min(shapes, key=lambda shape: (round(abs(shape[0] / shape[1] / usual - 1), 2), shape[0] * shape[1]))


def between(image_sizes: Sequence[tuple[int, int]], shorter: int, longer: int) -> tuple[int, int]:
    """Return the shape of the photos with a shorter side of `shorter` pixels, or less if the longer exceeded `longer`.

    As `keep_aspect_ratio_resizer` of TensorFlow's Object Detection API, rounded to multiples of 32; photos of mixed
    shapes get the square that holds them all.

    >>> between([(800, 600)], 600, 1024), between([(1920, 1080)], 600, 1024), between([(80, 60), (60, 80)], 600, 1024)
    ((800, 608), (1024, 576), (1024, 1024))
    """
    usual = _usual_aspect(image_sizes)
    if usual is None:
        return _multiple(longer), _multiple(longer)
    elongation = max(usual, 1 / usual)
    short = min(shorter, longer / elongation)
    sides = _multiple(short * elongation), _multiple(short)
    return sides if usual >= 1 else sides[::-1]


def _usual_aspect(image_sizes: Sequence[tuple[int, int]]) -> float | None:
    """Return the width / height that nearly all images have; None if they differ."""
    aspects = [width / height for width, height in image_sizes]
    usual = statistics.median(aspects)
    alike = sum(abs(aspect / usual - 1) <= _SAME_SHAPE for aspect in aspects)
    return usual if alike >= _SHARE * len(aspects) else None


def _multiple(pixels: float) -> int:
    return max(round(pixels / MULTIPLE), SMALLEST_SIDE // MULTIPLE) * MULTIPLE
