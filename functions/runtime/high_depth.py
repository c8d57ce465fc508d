"""Images of more than 8 bits to 8, as CVAT shows them: the least value becomes black, the greatest white.

Industrial and thermal cameras put 10, 12 or 14 bits into 16; what was seen while boxes were drawn is the range that
is used. CVAT also equalises the histogram of grey images of 16 bits. This is left out: the same scene in 8 bits is
not equalised, and a network has to find the same in both.
"""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

MODES = frozenset(["I;16", "I;16L", "I;16B", "I;16N", "I", "F"])
# Floating point files mark missing values by the largest numbers there are.
_MISSING = 1e30
# Single pixels count for nothing if the others would be squeezed into less than this part of the range.
_SQUEEZED = 1 / 8
# Converted so many pixels at a time: the copies are then small beside the image.
_STRIP_PIXELS = 1_000_000


def value_range(image: Image.Image) -> tuple[float, float]:
    """Return the values that become black and white.

    The least and the greatest; where dead pixels of a sensor would leave nearly nothing of the range to all others,
    the least and greatest that occur twice side by side. NaN, infinities and missing values count for nothing.

    Args:
        image: Of one of `MODES`, loaded.
    """
    low, high, shared_low, shared_high = np.inf, -np.inf, np.inf, -np.inf
    for values in _strips(image):
        known = _known(values)
        low, high = min(low, _least(known, values)), max(high, _greatest(known, values))
        for left, right in ((values[:, :-1], values[:, 1:]), (values[:-1], values[1:])):
            if left.size:
                larger, smaller = np.maximum(left, right), np.minimum(left, right)
                shared_low = min(shared_low, _least(_known(larger), larger))
                shared_high = max(shared_high, _greatest(_known(smaller), smaller))
    if not low <= high:
        return 0.0, 0.0
    if 0 < shared_high - shared_low < (high - low) * _SQUEEZED:
        return shared_low, shared_high
    return low, high


def to_grey(image: Image.Image, limits: tuple[float, float]) -> Image.Image:
    """Stretch `limits` to 0 and 255 in an image, or a part of one, of one of `MODES`; NaN becomes black."""
    low, high = limits
    values = np.asarray(image)
    if not low < high:
        return Image.new("L", image.size)
    simple = image.mode != "I" and max(abs(low), abs(high)) < 1e7 and high - low > 1e-30
    kind = np.float32 if simple else np.float64
    with np.errstate(invalid="ignore"):  # NaN of the kind that signals
        values = np.nan_to_num(values.astype(kind), nan=low)
    # Parts of the range first: 255 divided by a tiny range would be infinite.
    parts = (np.clip(values, low, high) - low) / kind(high - low)
    return Image.fromarray((parts * 255 + 0.5).astype(np.uint8))


def _strips(image: Image.Image) -> Iterator[np.ndarray]:
    """Yield (rows, width) of the image from top to bottom, each strip with the last row of the one before."""
    rows = max(1, _STRIP_PIXELS // image.width)
    if rows >= image.height:
        yield np.asarray(image)
        return
    for top in range(0, image.height, rows):
        yield np.asarray(image.crop((0, max(top - 1, 0), image.width, min(top + rows, image.height))))


def _known(values: np.ndarray) -> np.ndarray | None:
    """Which values count; None if all do, as in whole numbers."""
    if values.dtype.kind != "f":
        return None
    with np.errstate(invalid="ignore"):
        return np.abs(values) < _MISSING


def _least(known: np.ndarray | None, values: np.ndarray) -> float:
    return _extreme(np.min, known, values, np.inf)


def _greatest(known: np.ndarray | None, values: np.ndarray) -> float:
    return _extreme(np.max, known, values, -np.inf)


def _extreme(pick: Callable[..., np.number], known: np.ndarray | None, values: np.ndarray, nothing: float) -> float:
    return float(pick(values) if known is None else pick(values, where=known, initial=nothing))
