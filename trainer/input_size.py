"""The size of the network's input when none is asked for."""

import statistics
from collections.abc import Sequence

# Every feature level down to stride 32 then has whole cells.
MULTIPLE = 32
# As many pixels as two cores train on in minutes.
SQUARE = (320, 320)
# Photos of one camera differ in shape by rounding only; the next ones will have the same shape.
_SAME_SHAPE = 0.05
_SHARE = 0.9
_SIDES = range(192, 545, MULTIPLE)
# A shape may have this much more or less area than the square: multiples of 32 do not hit it exactly.
_TOLERANCE = 0.12


def choose(image_sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The square, or the shape of the photos if nearly all have the same.

    Photos of mixed shapes get the square even if most are wide: a wide input would shrink the upright ones.

    Args:
        image_sizes: (width, height) of the training images; at least one.

    Returns:
        (width, height), multiples of 32.

    >>> choose([(800, 600)]), choose([(1920, 1080)]), choose([(800, 600), (600, 800)])
    ((384, 288), (416, 224), (320, 320))
    """
    aspects = [width / height for width, height in image_sizes]
    usual = statistics.median(aspects)
    alike = sum(abs(aspect / usual - 1) <= _SAME_SHAPE for aspect in aspects)
    if alike < _SHARE * len(aspects):
        return SQUARE
    area = SQUARE[0] * SQUARE[1]
    shapes = [(w, h) for w in _SIDES for h in _SIDES if abs(w * h / area - 1) <= _TOLERANCE]
    return min(shapes, key=lambda shape: (round(abs(shape[0] / shape[1] / usual - 1), 2), shape[0] * shape[1]))
