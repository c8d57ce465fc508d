"""What the values of an output say of its layout, where another layout has the same shape.

Each function gets the numbers of several proof images at once. Rows of zeros, which fill up a list, are no boxes.
"""

from collections.abc import Sequence

import numpy as np

# Boxes as fractions of the image reach a little beyond its edges; most boxes in pixels reach much further than this.
_LARGEST_FRACTION = 4.0
# Of sides in strides, logarithms stay below: e to the power of 6 strides is wider than any image.
_LARGEST_LOGARITHM = 6.0
_MOST, _NEARLY_ALL = 0.9, 0.99
# A score may miss [0, 1] by rounding.
_ROUNDING = 1e-3


def gather(outputs: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Put each output of several images side by side: along the axis in which they differ, else along the first."""
    gathered = []
    for parts in zip(*outputs, strict=True):
        shapes = np.array([part.shape for part in parts])
        differing = np.flatnonzero((shapes != shapes[0]).any(0))
        gathered.append(np.concatenate(parts, int(differing[0]) if len(differing) else 0))
    return gathered


def first_reason(**found: bool) -> str:
    """Return the first keyword that holds, as words; "" if none does."""
    return next((reason.replace("_", " ") for reason, holds in found.items() if holds), "")


def are_pixels(boxes: np.ndarray) -> bool:
    """Whether boxes (..., 4) are in pixels rather than fractions of the image.

    Of fractions a few may be large, where a network finds nothing.
    """
    used = np.abs(_used(boxes))
    return bool(used.size and np.quantile(used, _MOST) > _LARGEST_FRACTION)


def are_fractions(boxes: np.ndarray) -> bool:
    """Whether boxes (..., 4) are fractions of the image rather than pixels."""
    return bool(boxes.any()) and not are_pixels(boxes)


def are_sides(boxes: np.ndarray) -> bool:
    """Whether the last two numbers of boxes (..., 4) are widths and heights in pixels, and not logarithms of them.

    Of boxes in pixels a few may have negative sides, where a network finds nothing.
    """
    sides = np.abs(_used(boxes)[:, 2:])
    return bool(sides.size and np.quantile(sides, _MOST) > _LARGEST_LOGARITHM)


def are_corners(boxes: np.ndarray, *, least: int = 1) -> bool:
    """Whether boxes (..., 4) are x1, y1, x2, y2 and not centre and sides: the second corner is not before the first.

    With less than `least` boxes that can be chance, and the answer is no.
    """
    used = _used(boxes)
    return len(used) >= least and float((used[:, 2:] >= used[:, :2]).all(1).mean()) >= _NEARLY_ALL


def are_no_corners(boxes: np.ndarray) -> bool:
    """Whether some of the boxes (..., 4) have a second corner before the first."""
    return bool(boxes.any()) and not are_corners(boxes)


def _used(boxes: np.ndarray) -> np.ndarray:
    """The boxes (N, 4) that are not all zeros."""
    rows = boxes.reshape(-1, 4)
    used: np.ndarray = rows[rows.any(1)]
    return used


def are_whole(numbers: np.ndarray) -> bool:
    """Whether all are whole numbers, as class numbers are."""
    return bool((numbers == np.rint(numbers)).all())


def have_background(scores: np.ndarray) -> bool:
    """Whether the scores (..., C) of each row add up to 1: one of the columns is then the background."""
    return scores.shape[-1] > 1 and bool(np.abs(scores.sum(-1) - 1).max(initial=0) < _ROUNDING)


def are_scores(numbers: np.ndarray) -> bool:
    """Whether all lie in [0, 1]; a NaN does not."""
    return not numbers.size or bool(numbers.min() >= -_ROUNDING and numbers.max() <= 1 + _ROUNDING)
