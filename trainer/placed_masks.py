"""Masks of boxes in the network's input, made from those of the image only where a network asks for them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from runtime.masks import InstanceMask

Size = tuple[int, int]
# Of a cell: an object that fills so much of it has it, but for errors of rounding.
_HALF = 0.5 - 1e-6
# Of a cell: less is nothing.
_LEAST = 1e-6
# Of a cell: less than that is an error of rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class PlacedMask:
    """A mask where augmentation or the letterbox has put its image: the point x is at `x * scale + offset`.

    Attributes:
        mask: In image pixels.
        scale: (x, y), input pixels of an image pixel; x is negative in a mirror image.
        offset: (x, y), input pixels.
        region: xyxy, input pixels: where the image is shown, which may be a part of a mosaic.
    """

    mask: InstanceMask
    scale: tuple[float, float]
    offset: tuple[float, float]
    region: tuple[float, float, float, float]

    @classmethod
    def as_it_is(cls, mask: InstanceMask, input_size: Size) -> "PlacedMask":
        """Return a mask whose image is the input."""
        width, height = input_size
        return cls(mask, (1.0, 1.0), (0.0, 0.0), (0.0, 0.0, float(width), float(height)))

    def moved(self, right: float, down: float) -> "PlacedMask":
        """Return the mask at another place of the input."""
        x1, y1, x2, y2 = self.region
        offset = self.offset[0] + right, self.offset[1] + down
        return replace(self, offset=offset, region=(x1 + right, y1 + down, x2 + right, y2 + down))

    def mirrored(self, width: float) -> "PlacedMask":
        """Return the mask in the mirror image of an input of this width."""
        x1, y1, x2, y2 = self.region
        scale, offset = (-self.scale[0], self.scale[1]), (width - self.offset[0], self.offset[1])
        return replace(self, scale=scale, offset=offset, region=(width - x2, y1, width - x1, y2))

    def to_input(self, input_size: Size, stride: int = 1) -> InstanceMask | None:
        """Return the mask in cells of `stride` input pixels; None where nothing of the object is shown.

        A cell belongs to the object if half of it does; if there is none, those that have at least half as much of it
        as any.
        """
        bitmap, left, top = self.render(input_size, stride)
        return InstanceMask.from_bitmap(bitmap, left, top)

    def render(self, input_size: Size, stride: int) -> tuple[np.ndarray, int, int]:
        """Return the cells of `to_input` as bool (h, w), with the column and the row of the first; (0, 0) for none."""
        shown = self._shown()
        if shown is None:
            return np.zeros((0, 0), bool), 0, 0
        bitmap, left, top = shown
        x = _Cells.of(left, bitmap.shape[1], abs(self.scale[0]), stride, input_size[0])
        y = _Cells.of(top, bitmap.shape[0], self.scale[1], stride, input_size[1])
        share = _sums(_sums(bitmap.T, x.edges).T, y.edges) * abs(self.scale[0] * self.scale[1]) / stride**2
        return _belongs(share), x.first, y.first

    def in_box(self, box: np.ndarray, side: int) -> np.ndarray | None:
        """Return the mask in the frame of a box, as bool (side, side): so many cells of equal size fill the box.

        Cells belong to the object as in `to_input`. None where nothing of it is shown in the box (4,), which is xyxy in
        input pixels.
        """
        (x1, y1, x2, y2), shown = np.asarray(box, np.float64).tolist(), self._shown()
        if shown is None or not (x2 > x1 and y2 > y1):
            return None
        bitmap, left, top = shown
        scale_x, scale_y = abs(self.scale[0]), self.scale[1]
        x_edges = np.clip((np.linspace(x1, x2, side + 1) - left) / scale_x, 0, bitmap.shape[1])
        y_edges = np.clip((np.linspace(y1, y2, side + 1) - top) / scale_y, 0, bitmap.shape[0])
        cell = (x2 - x1) / scale_x * (y2 - y1) / scale_y / side**2
        cells = _belongs(_sums(_sums(bitmap.T, x_edges).T, y_edges) / cell)
        return cells if cells.any() else None

    def _shown(self) -> tuple[np.ndarray, float, float] | None:
        """Return what is shown of the object, bool (h, w), as it lies in the input, and its corner in input pixels."""
        seen = self.mask.cut(self._seen())
        if seen is None:
            return None
        bitmap = seen.bitmap[:, ::-1] if self.scale[0] < 0 else seen.bitmap
        left = seen.left + seen.width if self.scale[0] < 0 else seen.left
        return bitmap, left * self.scale[0] + self.offset[0], seen.top * self.scale[1] + self.offset[1]

    def _seen(self) -> tuple[int, int, int, int]:
        """Return the region in whole image pixels."""
        (scale_x, scale_y), (x, y) = self.scale, self.offset
        x1, y1, x2, y2 = self.region
        columns = sorted((round((x1 - x) / scale_x), round((x2 - x) / scale_x)))
        return columns[0], round((y1 - y) / scale_y), columns[1], round((y2 - y) / scale_y)


class _Cells(NamedTuple):
    """Where a bitmap lies in cells, along one axis.

    Attributes:
        first: The first cell that it touches.
        edges: float64 (N + 1,): where the cells begin and end, in pixels of the bitmap, cut to it.
    """

    first: int
    edges: np.ndarray

    @classmethod
    def of(cls, corner: float, length: int, scale: float, stride: int, input_side: int) -> "_Cells":
        """Return the cells of a bitmap of `length` pixels that begins at `corner`, in input pixels."""
        cells = -(-input_side // stride)
        first = min(max(math.floor(corner / stride + _ROUNDING), 0), cells - 1)
        last = min(max(math.ceil((corner + length * scale) / stride - _ROUNDING), first + 1), cells)
        return cls(first, np.clip((np.arange(first, last + 1) * stride - corner) / scale, 0, length))


def _belongs(share: np.ndarray) -> np.ndarray:
    """Return which cells belong to an object that fills such shares of them: half of it does, or as in `to_input`."""
    most = float(share.max())
    return share >= (_HALF if most >= _HALF else max(most / 2, _LEAST))


def _sums(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the sums of the rows (h, w) between edges, float32 (N, w); a part of a row counts in part."""
    sums = np.zeros((len(values) + 1, values.shape[1]), np.int32 if values.dtype == bool else np.float32)
    np.cumsum(values, axis=0, dtype=sums.dtype, out=sums[1:])
    low = np.minimum(edges.astype(int), len(values) - 1)
    part = (edges - low).astype(np.float32)[:, None]
    return np.diff(sums[low] * (1 - part) + sums[low + 1] * part, axis=0)


# One for each box; None for a box without a mask, which teaches where an object is and not what it looks like. Empty if
# no image of the input was read with masks.
PlacedMasks = tuple[PlacedMask | None, ...]


class InstanceMasks(NamedTuple):
    """The masks of the boxes of an input, in cells of some input pixels.

    Attributes:
        cells: uint8 (G, h, w): 1 for the object; zeros for a box without a mask.
        known: bool (G,): which boxes have a mask. The others teach where an object is and not what it looks like.
    """

    cells: np.ndarray
    known: np.ndarray


def instance_masks(masks: PlacedMasks, boxes: int, input_size: Size, stride: int) -> InstanceMasks:
    """Return the masks of an input with so many boxes, in cells of `stride` pixels.

    An object with a mask of which nothing is shown has none here.
    """
    width, height = (-(-side // stride) for side in input_size)
    cells, known = np.zeros((boxes, height, width), np.uint8), np.zeros(boxes, bool)
    for index, placed in enumerate(masks):
        if placed is not None:
            bitmap, left, top = placed.render(input_size, stride)
            cells[index, top : top + bitmap.shape[0], left : left + bitmap.shape[1]] = bitmap
            known[index] = bitmap.any()
    return InstanceMasks(cells, known)


def take(masks: PlacedMasks, kept: np.ndarray) -> PlacedMasks:
    """Return the masks of the boxes that are kept, bool (G,)."""
    return tuple(mask for mask, keep in zip(masks, kept.tolist(), strict=True) if keep) if masks else ()


def join(parts: Sequence[tuple[PlacedMasks, int]]) -> PlacedMasks:
    """Return the masks of several images in one input; each with its number of boxes."""
    if not any(masks for masks, _ in parts):
        return ()
    return tuple(mask for masks, boxes in parts for mask in (masks or (None,) * boxes))
