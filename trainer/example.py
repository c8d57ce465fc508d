"""A training image with its boxes, decoded and not yet augmented."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from runtime.masks import InstanceMask
from trainer.placed_masks import PlacedMask, PlacedMasks


@dataclass(frozen=True)
class Example:
    """An image with its boxes before augmentation.

    Attributes:
        image: RGB, perhaps smaller than `size` (decoded at reduced scale).
        size: (width, height): the frame of the boxes.
        boxes: float32 (G, 4), xyxy.
        class_ids: int64 (G,).
        masks: One for each box, or None, in the frame of the boxes; empty if there are none.
        found_in_whole: Whether the network found the boxes, in the whole image. At the scale of tiles it would see
            more, which has no box and would be learnt as background: that scale is not shown.
    """

    image: Image.Image
    size: tuple[int, int]
    boxes: np.ndarray
    class_ids: np.ndarray
    masks: tuple[InstanceMask | None, ...] = ()
    found_in_whole: bool = False

    def place_masks(self, scale: np.ndarray, offset: np.ndarray, input_size: tuple[int, int]) -> PlacedMasks:
        """Return the masks in an input whose pixel of the point x is `x * scale + offset`."""
        (scale_x, scale_y), (x, y), (width, height) = scale.tolist(), offset.tolist(), input_size
        region = 0.0, 0.0, float(width), float(height)
        return tuple(
            None if mask is None else PlacedMask(mask, (scale_x, scale_y), (x, y), region) for mask in self.masks
        )
