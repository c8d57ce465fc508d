"""An image to draw on: at full size, or as large as it can be decoded within the limits of `runtime.image_limits`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from runtime.detector import Detection
from runtime.image import decode

# A photo with longer sides than these is decoded at half of them, or less.
_MAX_SIZE = (4096, 4096)


@dataclass(frozen=True)
class Canvas:
    """Pixels, and how boxes in pixels of the image come onto them.

    Attributes:
        pixels: RGB, upright.
        scale: float64 (4,), pixels here for one of the image, for x1 y1 x2 y2; 1 for all but very large photos.
    """

    pixels: Image.Image
    scale: np.ndarray

    @classmethod
    def decode(cls, data: bytes) -> "Canvas":
        """Decode the bytes of an image file; raises ImageError."""
        image = decode(data, _MAX_SIZE)
        return cls(image.pixels, np.tile(np.divide(image.pixels.size, image.size), 2))

    def boxes(self, boxes_image: np.ndarray) -> np.ndarray:
        """Return boxes (N, 4), xyxy, in pixels of the canvas."""
        return boxes_image * self.scale.astype(boxes_image.dtype)

    def detections(self, detections: Sequence[Detection]) -> list[Detection]:
        """Return detections in pixels of the canvas."""
        return [replace(found, box=tuple((np.array(found.box) * self.scale).tolist())) for found in detections]
