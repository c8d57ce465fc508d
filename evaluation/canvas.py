"""An image to draw on: at full size, or as large as it can be decoded within the limits of `runtime.image_limits`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from runtime.detector import Detection
from runtime.image import decode
from runtime.masks import InstanceMask

# A photo with longer sides than these is decoded at half of them, or less.
_MAX_SIZE = (4096, 4096)
# A smaller image is enlarged, but not more than so many times: its lines and tags hide less of it.
_SMALL_BELOW, _MOST_TIMES = 640, 4


@dataclass(frozen=True)
class Canvas:
    """Pixels, and how boxes and masks in pixels of the image come onto them.

    Attributes:
        pixels: RGB, upright.
        scale: float64 (4,), pixels here for one of the image, for x1 y1 x2 y2; below 1 for very large photos.
    """

    pixels: Image.Image
    scale: np.ndarray

    @classmethod
    def decode(cls, data: bytes) -> "Canvas":
        """Decode the bytes of an image file; raises ImageError."""
        image = decode(data, _MAX_SIZE)
        return cls(image.pixels, np.tile(np.divide(image.pixels.size, image.size), 2))

    def resized(self, size: tuple[int, int]) -> "Canvas":
        """Return it at another size (width, height)."""
        factors = np.tile(np.divide(size, self.pixels.size), 2)
        return Canvas(self.pixels.resize(size, Image.Resampling.LANCZOS), self.scale * factors)

    def enlarged(self) -> "Canvas":
        """Return a small image a whole number of times as large, for lines and tags; others as they are."""
        width, height = self.pixels.size
        times = min(math.ceil(_SMALL_BELOW / max(width, height)), _MOST_TIMES)
        return self if times == 1 else self.resized((width * times, height * times))

    def boxes(self, boxes_image: np.ndarray) -> np.ndarray:
        """Return boxes (N, 4), xyxy, in pixels of the canvas."""
        return boxes_image * self.scale.astype(boxes_image.dtype)

    def detections(self, detections: Sequence[Detection]) -> list[Detection]:
        """Return detections in pixels of the canvas."""
        return [
            replace(found, box=tuple((np.array(found.box) * self.scale).tolist()), mask=self.mask(found.mask))
            for found in detections
        ]

    def mask(self, mask: InstanceMask | None) -> InstanceMask | None:
        """Return a mask in pixels of the canvas; None for none, or if it has no pixel there."""
        if mask is None or (self.scale == 1).all():
            return mask
        scale_x, scale_y = self.scale[:2]
        x1, y1, x2, y2 = (np.array(mask.box) * self.scale).tolist()
        # The centre of each pixel here, as a pixel there.
        columns = ((np.arange(math.floor(x1), math.ceil(x2)) + 0.5) / scale_x - mask.left).astype(int)
        rows = ((np.arange(math.floor(y1), math.ceil(y2)) + 0.5) / scale_y - mask.top).astype(int)
        inside = np.ix_(np.clip(rows, 0, mask.height - 1), np.clip(columns, 0, mask.width - 1))
        return InstanceMask.from_bitmap(mask.bitmap[inside], math.floor(x1), math.floor(y1))
