"""What a network wants to be fed with, where the engine contract gives uint8 RGB."""

from dataclasses import dataclass

import numpy as np

ORDERS = ("rgb", "bgr")


@dataclass(frozen=True)
class Preprocessing:
    """The network gets `(channel - mean) / scale`.

    Attributes:
        order: Of the channels: "rgb" or "bgr".
        mean: One number for each channel, in that order.
        scale: The same.
    """

    order: str = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def as_they_are(self) -> bool:
        """Whether the numbers stay what they were."""
        return not any(self.mean) and set(self.scale) == {1.0}

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """The same in NumPy.

        Args:
            pixels: uint8 (B, H, W, 3), RGB.

        Returns:
            float32 (B, H, W, 3).
        """
        ordered = pixels[..., ::-1] if self.order == "bgr" else pixels
        return (ordered.astype(np.float32) - np.float32(self.mean)) / np.float32(self.scale)
