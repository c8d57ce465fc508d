"""A training image with its boxes, decoded and not yet augmented."""

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Example:
    """An image with its boxes before augmentation.

    Attributes:
        image: RGB, perhaps smaller than `size` (decoded at reduced scale).
        size: (width, height): the frame of the boxes.
        boxes: float32 (G, 4), xyxy.
        class_ids: int64 (G,).
        found_in_whole: Whether the network found the boxes, in the whole image. At the scale of tiles it would see
            more, which has no box and would be learnt as background: that scale is not shown.
    """

    image: Image.Image
    size: tuple[int, int]
    boxes: np.ndarray
    class_ids: np.ndarray
    found_in_whole: bool = False
