"""Parts of a large image that the network sees beside the whole of it, so that small objects become larger.

The image is resized once, to `Tiles.zoom` times the size that it has in the network's input, and tiles of exactly that
input's size are cropped from it at whole pixels. Objects that an inner border of a tile cuts are found in the next one,
which overlaps it, or in the whole image; half of them would only be in the way.
"""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from PIL import Image

from runtime.errors import ImageError
from runtime.image import DecodedImage, decode, no_memory
from runtime.letterbox import Letterbox
from runtime.manifest import PADDING, Tiles

# An image that is larger than the network sees it by less than this has no tiles: they would show nothing new.
WORTH_FROM = 1.25
# A side that is longer than whole tiles by less than this is shortened, so that there is no tile for the rest.
SMALL_REST = 1.1
# A box of which a side is so close to an inner border, in input pixels, is of an object that the border cuts.
_MARGIN = 4.0


class View(Protocol):
    """What the network sees of an image, and where that is."""

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height) of the image in pixels, after EXIF rotation."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) of the network's input."""

    @property
    def scales(self) -> tuple[float, float]:
        """(x, y), input pixels of an image pixel: its point x is at `x * scales - corner`."""

    @property
    def corner(self) -> tuple[int, int]:
        """(x, y), input pixels: the input's upper left corner in the image at this scale."""

    @property
    def shown(self) -> tuple[int, int]:
        """(width, height) of the part of the input, from its upper left corner on, that shows the image."""

    def pixels(self, image: Image.Image) -> np.ndarray:
        """The network's input, uint8 (H, W, 3), of the image or a rendering of it."""

    def to_image(self, boxes_input: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) from input pixels to image pixels, float32, clipped to the image; NaN for those to drop."""


@dataclass(frozen=True)
class Tile:
    """A crop of a rendering of the image.

    Attributes:
        rendering: The transform between the image and what is cropped from.
        corner: (x, y) of the upper left corner in the rendering.
        input_size: (width, height), of tile and network; the rendering may be smaller on one axis.
    """

    rendering: Letterbox
    corner: tuple[int, int]
    input_size: tuple[int, int]

    def pixels(self, image: Image.Image) -> np.ndarray:
        """See `View.pixels`; `PADDING` right of or below the image."""
        width, height = self.input_size
        canvas = np.empty((height, width, 3), np.uint8)
        canvas[:] = PADDING
        (left, top), (right, bottom) = self.corner, self._end
        part = self.rendering.resize(image).crop((left, top, right, bottom))
        canvas[: bottom - top, : right - left] = np.asarray(part)
        return canvas

    def to_image(self, boxes_input: np.ndarray) -> np.ndarray:
        """See `View.to_image`; boxes that an inner border cuts are NaN."""
        boxes = np.asarray(boxes_input, np.float32).reshape(-1, 4)
        cut = np.zeros(len(boxes), bool)
        for axis in (0, 1):
            low, high = boxes[:, axis], boxes[:, axis + 2]
            if self.corner[axis] > 0:
                cut |= low < _MARGIN
            if self._end[axis] < self.rendering.resized[axis]:
                cut |= high > self.input_size[axis] - _MARGIN
        moved = self.rendering.to_image(boxes + np.tile(np.array(self.corner, np.float32), 2))
        moved[cut] = np.nan
        return moved

    @property
    def image_size(self) -> tuple[int, int]:
        """See `View.image_size`."""
        return self.rendering.image_size

    @property
    def scales(self) -> tuple[float, float]:
        """See `View.scales`."""
        return self.rendering.scales

    @property
    def shown(self) -> tuple[int, int]:
        """See `View.shown`."""
        return self._end[0] - self.corner[0], self._end[1] - self.corner[1]

    @property
    def _end(self) -> tuple[int, int]:
        """(x, y) of the lower right corner in the rendering, which may end before the tile does."""
        x, y = (
            min(start + side, whole)
            for start, side, whole in zip(self.corner, self.input_size, self.rendering.resized, strict=True)
        )
        return x, y


def decode_size(input_size: tuple[int, int], tiles: Tiles | None) -> tuple[int, int]:
    """(width, height) that an image file has to be decoded for; see `runtime.image.decode`."""
    if tiles is None:
        return input_size
    return round(input_size[0] * tiles.zoom), round(input_size[1] * tiles.zoom)


def decode_for_views(data: bytes, input_size: tuple[int, int], tiles: Tiles | None) -> DecodedImage:
    """Decode an image file to the size of its `rendering`; see `runtime.image.decode`.

    An image that is too large to be decoded for tiles may be read for the whole image: its tiles are then less sharp.

    Raises:
        ImageError: As `decode`, or not even the rendering has enough memory.
    """
    if tiles is not None:
        with contextlib.suppress(ImageError):
            return _render(decode(data, decode_size(input_size, tiles)), input_size, tiles)
    return _render(decode(data, input_size), input_size, tiles)


def _render(image: DecodedImage, input_size: tuple[int, int], tiles: Tiles | None) -> DecodedImage:
    try:
        return replace(image, pixels=rendering(image.size, input_size, tiles).resize(image.pixels))
    except MemoryError as error:
        raise no_memory(image.size) from error


def rendering(image_size: tuple[int, int], input_size: tuple[int, int], tiles: Tiles | None) -> Letterbox:
    """The size at which an image is kept for all its views: never larger than it is, unless the input is.

    It is up to a tenth smaller than `Tiles.zoom` says if that saves a row or a column of tiles, as for 1920x1080 in a
    square input: two tiles in place of four, of which two would show eight new pixels.
    """
    whole = Letterbox.fit(image_size, input_size)
    if tiles is None:
        return whole
    large = Letterbox.fit(image_size, decode_size(input_size, tiles))
    if large.resized[0] > image_size[0]:
        large = Letterbox(large.image_size, large.input_size, large.image_size)
    scale = min(_fitting(side, tile, tiles) for side, tile in zip(large.resized, input_size, strict=True))
    width, height = (max(round(side * scale), 1) for side in large.resized)
    large = Letterbox(large.image_size, large.input_size, (width, height))
    return large if max(large.resized) >= WORTH_FROM * max(whole.resized) else whole


def views(image_size: tuple[int, int], input_size: tuple[int, int], tiles: Tiles | None) -> list[View]:
    """The whole image, then its tiles, at most `tiles.per_side` in each direction: row by row."""
    whole = Letterbox.fit(image_size, input_size)
    large = rendering(image_size, input_size, tiles)
    if tiles is None or large.resized == whole.resized:
        return [whole]
    columns, rows = (_offsets(side, tile, tiles.overlap) for side, tile in zip(large.resized, input_size, strict=True))
    return [whole, *(Tile(large, (x, y), input_size) for y in rows for x in columns)]


def _fitting(side: int, tile: int, tiles: Tiles) -> float:
    """By what to multiply a side so that there is no tile for a small rest of it; 1 if there is none."""
    for count in range(1, tiles.per_side):
        covered = tile * (count - (count - 1) * tiles.overlap)
        if covered < side <= covered * SMALL_REST:
            return covered / side
    return 1.0


def _offsets(side: int, tile: int, overlap: float) -> Sequence[int]:
    """Where tiles begin along a side: as few as cover it with this overlap, evenly spaced.

    >>> _offsets(576, 320, 0.2), _offsets(400, 320, 0.2), _offsets(300, 320, 0.2)
    ([0, 256], [0, 80], [0])
    """
    if side <= tile:
        return [0]
    # A pixel less of overlap: the rendering is rounded to whole pixels, which must not add a tile.
    count = max(math.ceil((side - 1 - overlap * tile) / ((1 - overlap) * tile)), 2)
    return [round(index * (side - tile) / (count - 1)) for index in range(count)]
