"""Masks of single objects: which pixels of an image belong to each.

One representation everywhere: annotations of any shape are brought to it when they are read, detections are composed
to it, evaluation compares it, and exports write it as runs or as polygons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from runtime.image_limits import MAX_PIXELS


@dataclass(frozen=True, eq=False)
class InstanceMask:
    """The pixels of one object, as run lengths of the smallest rectangle around them: a few hundred bytes.

    Made by `from_bitmap` or `from_runs`; at least one pixel belongs to the object. Pixel (x, y) of the rectangle covers
    [left + x, left + x + 1) and [top + y, top + y + 1) of the image, after EXIF rotation. Equal by value.

    Attributes:
        left: First column, from 0; a mask that was shifted may begin outside of its image.
        top: First row.
        width: Columns of the rectangle, at least 1; the object touches the first and the last.
        height: Rows, in the same way.
        runs: int64 (R,), read-only: pixels of the background and of the object in turn, row by row in the rectangle,
            beginning with the background (0 where the first pixel is the object's). Their sum is `width * height`.
    """

    left: int
    top: int
    width: int
    height: int
    runs: np.ndarray

    @classmethod
    def from_bitmap(cls, bitmap: np.ndarray, left: int = 0, top: int = 0) -> "InstanceMask | None":
        """Return the mask of the pixels that are not 0, cut to the rectangle around them.

        Args:
            bitmap: bool or numbers, (h, w).
            left: Column of the image at which the bitmap begins.
            top: Row at which it begins.

        Returns:
            None where no pixel is set.
        """
        bitmap = np.asarray(bitmap, bool)
        if bitmap.ndim != 2:
            raise ValueError(f"bitmap: shape {bitmap.shape}; expected (height, width).")
        columns, rows = (np.flatnonzero(bitmap.any(axis=axis)) for axis in (0, 1))
        if not len(rows):
            return None
        x1, x2, y1, y2 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
        return cls(left + x1, top + y1, x2 - x1, y2 - y1, _run_lengths(bitmap[y1:y2, x1:x2]))

    @classmethod
    def from_runs(
        cls, runs: Sequence[int] | np.ndarray, *, left: int, top: int, width: int, height: int
    ) -> "InstanceMask | None":
        """Return the mask that run lengths describe: row by row in a rectangle of the image, background first.

        CVAT stores masks so (`runs`, then the rectangle). The rectangle may be larger than the object, and runs may be
        0.

        Returns:
            None where no pixel is set.

        Raises:
            ValueError: The runs do not fill the rectangle, or the rectangle has more pixels than any image.
        """
        if width < 1 or height < 1 or width * height > MAX_PIXELS:
            raise ValueError(
                f"mask: {width}x{height} pixels; expected at least one pixel and at most {MAX_PIXELS}. Export again."
            )
        counts = np.asarray(runs)
        if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any() or _total(counts) != width * height:
            raise ValueError(
                f"mask: runs that do not fill {width}x{height} pixels; expected whole numbers whose sum is "
                f"{width * height}. Export again."
            )
        return cls.from_bitmap(_bitmap(counts, width, height), left, top)

    @property
    def bitmap(self) -> np.ndarray:
        """Bool (height, width), made anew each time: True for the object."""
        return _bitmap(self.runs, self.width, self.height)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The box around the object: xyxy, image pixels; the right and the bottom end are exclusive."""
        return float(self.left), float(self.top), float(self.left + self.width), float(self.top + self.height)

    @cached_property
    def area(self) -> int:
        """Number of pixels of the object."""
        return int(self.runs[1::2].sum())

    def moved(self, right: int, down: int) -> "InstanceMask":
        """Return the mask at another place of the image, or of another image."""
        return InstanceMask(self.left + right, self.top + down, self.width, self.height, self.runs)

    def enlarged(self, times: int) -> "InstanceMask":
        """Return the mask with blocks of `times` x `times` pixels in place of pixels, its place multiplied too."""
        bitmap, width = self.bitmap, self.width * times
        rows, columns = np.nonzero(bitmap[:, 1:] != bitmap[:, :-1])
        lines = (rows * times)[:, None] + np.arange(times)
        within = (lines * width + ((columns + 1) * times)[:, None]).reshape(-1)
        row = np.arange(self.height * times) // times
        begins = np.flatnonzero(bitmap[row[1:], 0] != bitmap[row[:-1], -1]) + 1
        changes = np.sort(np.concatenate([within, begins * width]))
        runs = _runs_between(changes, self.width * self.height * times**2, bool(bitmap[0, 0]))
        return InstanceMask(self.left * times, self.top * times, width, self.height * times, runs)

    def cut(self, region: tuple[int, int, int, int]) -> "InstanceMask | None":
        """Return what lies inside a region, xyxy in whole image pixels, at its place; None if nothing does."""
        x1, y1 = max(region[0], self.left), max(region[1], self.top)
        x2, y2 = min(region[2], self.left + self.width), min(region[3], self.top + self.height)
        if (x1, y1, x2, y2) == tuple(map(int, self.box)):
            return self
        if x1 >= x2 or y1 >= y2:
            return None
        inside = self.bitmap[y1 - self.top : y2 - self.top, x1 - self.left : x2 - self.left]
        return InstanceMask.from_bitmap(inside, x1, y1)

    def to_image(self, size: tuple[int, int]) -> np.ndarray:
        """Return bool (H, W): the mask in an image of `size` (width, height), cut to it."""
        image = np.zeros((size[1], size[0]), bool)
        inside = self.cut((0, 0, *size))
        if inside is not None:
            rows, columns = (
                slice(inside.top, inside.top + inside.height),
                slice(inside.left, inside.left + inside.width),
            )
            image[rows, columns] = inside.bitmap
        return image

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, from which `from_json` makes an equal mask."""
        rectangle = {"left": self.left, "top": self.top, "width": self.width, "height": self.height}
        return {**rectangle, "runs": self.runs.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "InstanceMask":
        """Read what `to_json` gave.

        Raises:
            ValueError: It is no mask, or an empty one.
        """
        try:
            left, top, width, height = (content[key] for key in ("left", "top", "width", "height"))
            runs = content["runs"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"mask: {error!r}; expected left, top, width, height and runs. Export again.") from error
        if not all(type(value) is int and abs(value) <= MAX_PIXELS for value in (left, top, width, height)):
            raise ValueError(f"mask: rectangle {left, top, width, height!r}; expected whole numbers. Export again.")
        if not isinstance(runs, list) or not all(type(run) is int and 0 <= run <= MAX_PIXELS for run in runs):
            raise ValueError("mask: runs that are no list of whole numbers; expected pixels of each run. Export again.")
        mask = cls.from_runs(np.array(runs, np.int64), left=left, top=top, width=width, height=height)
        if mask is None:
            raise ValueError("mask: no pixel of an object; expected at least one. Export again.")
        return mask

    def __eq__(self, other: object) -> bool:
        """Equal if the same pixels of the image belong to the object."""
        if not isinstance(other, InstanceMask):
            return NotImplemented
        return self._rectangle == other._rectangle and np.array_equal(self.runs, other.runs)

    def __hash__(self) -> int:
        """Of the pixels."""
        return hash((self._rectangle, self.runs.tobytes()))

    @property
    def _rectangle(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.width, self.height


def intersection(a: InstanceMask, b: InstanceMask) -> int:
    """Number of pixels that belong to both, in one image."""
    x1, y1 = max(a.left, b.left), max(a.top, b.top)
    x2, y2 = min(a.left + a.width, b.left + b.width), min(a.top + a.height, b.top + b.height)
    if x1 >= x2 or y1 >= y2:
        return 0
    parts = [mask.bitmap[y1 - mask.top : y2 - mask.top, x1 - mask.left : x2 - mask.left] for mask in (a, b)]
    return int(np.count_nonzero(parts[0] & parts[1]))


def mask_iou(masks_a: Sequence[InstanceMask], masks_b: Sequence[InstanceMask]) -> np.ndarray:
    """Overlap of every mask of A with every mask of B, of one image.

    Returns:
        float64 (N, M) in [0, 1]: pixels of both by pixels of either.
    """
    overlaps = np.zeros((len(masks_a), len(masks_b)))
    for row, a in enumerate(masks_a):
        for column, b in enumerate(masks_b):
            common = intersection(a, b)
            overlaps[row, column] = common / (a.area + b.area - common)
    return overlaps


def _run_lengths(bitmap: np.ndarray) -> np.ndarray:
    flat = bitmap.reshape(-1)
    return _runs_between(np.flatnonzero(flat[1:] != flat[:-1]) + 1, len(flat), bool(flat[0]))


def _runs_between(changes: np.ndarray, pixels: int, begins_with_object: bool) -> np.ndarray:
    """Return the runs of so many pixels, at the numbers `changes` of which another run begins."""
    ends = np.concatenate([[0], changes, [pixels]])
    runs = np.diff(ends, prepend=0) if begins_with_object else np.diff(ends)
    runs.setflags(write=False)
    return runs


def _bitmap(runs: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)


def _total(counts: np.ndarray) -> int:
    """Return the sum; without overflow, for a run may claim any number."""
    return int(counts.sum()) if not len(counts) or counts.max() <= MAX_PIXELS else -1
