"""The size of the network's input: the requested one, or one that follows the shape of the images and the boxes."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.object_sizes import SMALL_BELOW
from trainer.config import SMALLEST_SIDE, parse_range, parse_size
from trainer.datasets.sample import Sample

# Every feature level down to stride 32 then has whole cells.
MULTIPLE = 32
# As many pixels as two cores train on in minutes; model families may have others.
SIDE = 320
# The input grows until half of the boxes have sides of so many pixels, in a training of at least so many minutes. A
# shorter one shows too few of such large inputs: it stops at the size below which COCO calls an object small.
# Figures: docs/benchmarks.md.
ENOUGH_PIXELS, MINUTES_FOR_ENOUGH = 42, 5
# The largest side relative to the usual one: steps then take more than three times as long, and up to 4 GB.
LARGEST = 1.8
# Small images gain from an input larger than themselves, since objects have more cells, but it shows nothing new.
MOST_ENLARGED = 3.0
# Photos of one camera differ in shape by rounding only; the next ones will have the same shape.
_SAME_SHAPE = 0.05
_SHARE = 0.9
# Sides of a shape relative to those of the square.
_NARROWEST, _WIDEST = 0.6, 1.7
# A shape may have this much more or less area than the square: multiples of 32 do not hit it exactly.
_TOLERANCE = 0.12


@dataclass(frozen=True)
class InputSize:
    """A size, (width, height), and why it was chosen, for people; "" if it was requested."""

    size: tuple[int, int]
    reason: str = ""


def for_samples(
    samples: Sequence[Sample], *, side: int = SIDE, image_size: str | None = None, minutes: float | None = None
) -> InputSize:
    """Return the size for training samples; see `choose`."""
    boxes = [(x2 - x1, y2 - y1, *sample.image_size) for sample in samples for x1, y1, x2, y2 in sample.boxes.tolist()]
    return choose([sample.image_size for sample in samples], boxes, side=side, image_size=image_size, minutes=minutes)


def choose(
    image_sizes: Sequence[tuple[int, int]],
    boxes: Sequence[tuple[float, float, int, int]] = (),
    *,
    side: int = SIDE,
    image_size: str | None = None,
    minutes: float | None = None,
) -> InputSize:
    """Return the requested size, or the usual one, or a larger one where most boxes would be small in it.

    The usual one is the square with this `side`, or a shape of about as many pixels, that of the photos, if nearly all
    have the same: photos of mixed shapes get the square even if most are wide, since a wide input would shrink the
    upright ones. It grows by steps of 32 until half of the boxes are `ENOUGH_PIXELS` large, or it is `LARGEST` times
    the usual one, or would enlarge half of the images more than `MOST_ENLARGED` times.

    Args:
        image_sizes: (width, height) of each image, at least one.
        boxes: (width, height, image width, image height) of each box, pixels.
        side: A multiple of 32.
        image_size: The argument of that name; None leaves the choice.
        minutes: What the training may take; None if it is not limited.

    >>> choose([(800, 600)]).size, choose([(1920, 1080)]).size, choose([(800, 600), (600, 800)]).size
    ((384, 288), (416, 224), (320, 320))
    >>> choose([(640, 640)], [(30, 30, 640, 640)], side=416)
    InputSize(size=(768, 768), reason='half of the boxes would be smaller than 20 pixels in the usual 416x416; \
each step takes about 3.4 times as long')
    """
    if image_size and (sides := parse_range(image_size)):
        return InputSize(between(image_sizes, *sides))
    if image_size and (requested := parse_size(image_size)):
        return InputSize(requested)
    usual = size = _shape(image_sizes, side)
    enough = SMALL_BELOW if minutes is not None and minutes < MINUTES_FOR_ENOUGH else ENOUGH_PIXELS
    largest = LARGEST * side
    while side < largest and boxes and _median_box(boxes, size) < enough:
        side += MULTIPLE
        larger = _shape(image_sizes, side)
        if _enlarged(image_sizes, larger) > MOST_ENLARGED:
            break
        size = larger
    if not boxes:
        return InputSize(usual, "the usual size")
    median = f"{_median_box(boxes, usual):.0f} pixels"
    if size == usual:
        return InputSize(usual, f"the usual size, in which half of the boxes are larger than {median}")
    times = size[0] * size[1] / (usual[0] * usual[1])
    return InputSize(
        size,
        f"half of the boxes would be smaller than {median} in the usual {usual[0]}x{usual[1]}; each step takes about "
        f"{times:.1f} times as long",
    )


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


def _shape(image_sizes: Sequence[tuple[int, int]], side: int) -> tuple[int, int]:
    """Return the square, or the shape of the photos with about as many pixels if nearly all have the same."""
    usual = _usual_aspect(image_sizes)
    if usual is None:
        return side, side
    sides = range(_multiple(side * _NARROWEST), _multiple(side * _WIDEST) + 1, MULTIPLE)
    shapes = [(w, h) for w in sides for h in sides if abs(w * h / side**2 - 1) <= _TOLERANCE]
    return min(
        shapes,
        key=lambda shape: (round(abs(shape[0] / shape[1] / usual - 1), 2), abs(shape[0] * shape[1] / side**2 - 1)),
    )


def _median_box(boxes: Sequence[tuple[float, float, int, int]], size: tuple[int, int]) -> float:
    """Return the median of the roots of the boxes' areas, in pixels of the input."""
    return float(np.median(box_sides(boxes, size)))


def box_sides(boxes: Sequence[tuple[float, float, int, int]], size: tuple[int, int]) -> np.ndarray:
    """Return the root of the area of each box, float64 (N,), in pixels of an input; `boxes` as in `choose`."""
    width, height, image_width, image_height = np.array(boxes, float).reshape(-1, 4).T
    return np.sqrt(width * height) * np.minimum(size[0] / image_width, size[1] / image_height)


def _enlarged(image_sizes: Sequence[tuple[int, int]], size: tuple[int, int]) -> float:
    """Return how many times larger than itself half of the images are in an input."""
    return statistics.median(min(size[0] / width, size[1] / height) for width, height in image_sizes)


def _usual_aspect(image_sizes: Sequence[tuple[int, int]]) -> float | None:
    """Return the width / height that nearly all images have; None if they differ."""
    aspects = [width / height for width, height in image_sizes]
    usual = statistics.median(aspects)
    alike = sum(abs(aspect / usual - 1) <= _SAME_SHAPE for aspect in aspects)
    return usual if alike >= _SHARE * len(aspects) else None


def _multiple(pixels: float) -> int:
    return max(round(pixels / MULTIPLE), SMALLEST_SIDE // MULTIPLE) * MULTIPLE
