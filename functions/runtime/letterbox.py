"""The way of an image into the network's input and of boxes back: one class, its own inverse.

The image keeps its aspect, is resized to touch the input on one axis and padded on the right or the
bottom only. The forward step rounds the new size to whole pixels; both directions use the rounded
scales, one for each axis, so that a box returns to where it came from.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from runtime.boxes import clip
from runtime.manifest import PADDING


@dataclass(frozen=True)
class Letterbox:
    """The transform between an image and the network's input.

    Attributes:
        image_size: (width, height) of the original image in pixels, after EXIF rotation.
        input_size: (width, height) of the network's input.
        resized: (width, height) of the image inside the input, whole pixels, at least 1.
    """

    image_size: tuple[int, int]
    input_size: tuple[int, int]
    resized: tuple[int, int]

    @classmethod
    def fit(cls, image_size: tuple[int, int], input_size: tuple[int, int]) -> "Letterbox":
        """The largest whole-pixel size of `image_size`'s aspect inside `input_size`."""
        scale = min(input_size[0] / image_size[0], input_size[1] / image_size[1])
        width, height = (
            min(max(round(image_side * scale), 1), input_side)
            for image_side, input_side in zip(image_size, input_size, strict=True)
        )
        return cls((image_size[0], image_size[1]), (input_size[0], input_size[1]), (width, height))

    @property
    def scales(self) -> tuple[float, float]:
        """See `runtime.tiles.View.scales`."""
        return self.resized[0] / self.image_size[0], self.resized[1] / self.image_size[1]

    @property
    def corner(self) -> tuple[int, int]:
        """See `runtime.tiles.View.corner`."""
        return 0, 0

    @property
    def shown(self) -> tuple[int, int]:
        """See `runtime.tiles.View.shown`."""
        return self.resized

    @property
    def _scale(self) -> np.ndarray:
        """float32 (4,): input pixels for one image pixel, for x1 y1 x2 y2."""
        return np.array([*self.scales, *self.scales], np.float32)

    def pixels(self, image: Image.Image) -> np.ndarray:
        """The network's input.

        Args:
            image: RGB, of `image_size`, or a smaller rendering of the same image (a JPEG decoded at
                reduced scale): only its content matters, not its size.

        Returns:
            uint8 (H, W, 3), RGB; `PADDING` right of or below the image.
        """
        canvas = np.empty((self.input_size[1], self.input_size[0], 3), np.uint8)
        width, height = self.resized
        canvas[:height, width:] = PADDING
        canvas[height:] = PADDING
        canvas[:height, :width] = np.asarray(self.resize(image))
        return canvas

    def resize(self, image: Image.Image) -> Image.Image:
        """The image at the size that it has in the input; `pixels` gives the same for it as for the original."""
        return image if image.size == self.resized else image.resize(self.resized, Image.Resampling.BILINEAR)

    def to_input(self, boxes_image: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) from image pixels to input pixels, float32."""
        return np.asarray(boxes_image, np.float32).reshape(-1, 4) * self._scale

    def to_image(self, boxes_input: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) from input pixels to image pixels, float32, clipped to the image."""
        boxes = np.asarray(boxes_input, np.float32).reshape(-1, 4) / self._scale
        return clip(boxes, self.image_size)
