"""The size of the network's input: as asked, or in the shape that shows the training photos largest."""

from collections.abc import Sequence

from runtime.letterbox import Letterbox

# Every feature level down to stride 32 then has whole cells.
MULTIPLE = 32
# 320 x 320 pixels, or as many in another shape: what two cores train in minutes.
AREA = 320 * 320
# A shape may have this much more or less than the area: multiples of 32 do not hit it exactly.
_TOLERANCE = 0.12
_SIDES = range(192, 545, MULTIPLE)


def choose(image_sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The input of about `AREA` pixels that nearly all letterboxed photos fill well.

    Args:
        image_sizes: (width, height) of the training images; at least one.

    Returns:
        (width, height), multiples of 32. Photos of mixed shapes give a square.

    >>> choose([(800, 600)]), choose([(1920, 1080)]), choose([(800, 600), (600, 800)])
    ((384, 288), (416, 224), (320, 320))
    """
    shapes = [(w, h) for w in _SIDES for h in _SIDES if abs(w * h / AREA - 1) <= _TOLERANCE]
    return max(shapes, key=lambda shape: (round(_least_filled(shape, image_sizes), 2), -abs(shape[0] - shape[1])))


def _least_filled(shape: tuple[int, int], image_sizes: Sequence[tuple[int, int]]) -> float:
    """The part of the input that is image, at the tenth of the photos that fill it least.

    An average would shrink a few upright photos among many wide ones to stamps, and their objects with them.
    """
    letterboxed = [Letterbox.fit(size, shape).resized for size in image_sizes]
    filled = sorted(width * height / (shape[0] * shape[1]) for width, height in letterboxed)
    return filled[len(filled) // 10]
