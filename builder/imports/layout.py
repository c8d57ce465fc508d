"""What goes into a network and what comes out of it, as far as an adapter must know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# Orders of the colour channels.
ORDERS = ("rgb", "bgr")
# Name of an output to its shape; -1 where the size is not known before the network runs.
Shapes = Mapping[str, tuple[int, ...]]
# Strides of the feature levels that nearly every YOLO has, and of those with one level more.
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))


@dataclass(frozen=True)
class AdapterMatch:
    """The outputs that an adapter decodes.

    Attributes:
        names: In the order in which `decode` and `graph` get them.
        num_classes: From the shapes; None if they do not show it.
    """

    names: tuple[str, ...]
    num_classes: int | None


@dataclass(frozen=True)
class Layout:
    """What decoding needs besides the outputs.

    Attributes:
        input_size: (width, height) of the network's input.
        num_classes: K.
        first_class: Class number of the first label, where the network returns numbers.
    """

    input_size: tuple[int, int]
    num_classes: int
    first_class: int = 1


@dataclass(frozen=True)
class Preprocessing:
    """What the network is fed with, where the engine contract gives uint8 RGB: `(channel - mean) / scale`.

    Attributes:
        order: Of the channels: "rgb" or "bgr".
        mean: One number for each channel, in that order.
        scale: One number for each channel.
    """

    order: str = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def is_identity(self) -> bool:
        """Whether the values stay what they were."""
        return not any(self.mean) and set(self.scale) == {1.0}

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """Preprocess a batch of images in NumPy.

        Args:
            pixels: uint8 (B, H, W, 3), RGB.

        Returns:
            float32 (B, H, W, 3).
        """
        ordered = pixels[..., ::-1] if self.order == "bgr" else pixels
        return (ordered.astype(np.float32) - np.array(self.mean, np.float32)) / np.array(self.scale, np.float32)


@dataclass(frozen=True)
class PreprocessingOptions:
    """Fields of `Preprocessing` that the user has set; None leaves the adapter's."""

    order: str | None = None
    mean: tuple[float, float, float] | None = None
    scale: tuple[float, float, float] | None = None

    def over(self, usual: Preprocessing) -> Preprocessing:
        """Return `usual` with the fields that are set here."""
        return Preprocessing(self.order or usual.order, self.mean or usual.mean, self.scale or usual.scale)


def feature_strides(input_size: tuple[int, int], rows: int, *, for_each_cell: int = 1) -> Sequence[int] | None:
    """The strides of the feature levels whose cells make up `rows` predictions; None if no usual ones do.

    >>> feature_strides((640, 640), 8400), feature_strides((640, 640), 25200, for_each_cell=3)
    ((8, 16, 32), (8, 16, 32))
    """
    width, height = input_size
    for strides in _STRIDES:
        if rows == for_each_cell * sum((width // stride) * (height // stride) for stride in strides):
            return strides
    return None


_MAX_LETTERS = 300


class UnsupportedModelError(ValueError):
    """The model cannot be imported; one sentence says why and what to do."""


class UnknownClassError(ValueError):
    """The network returns a class number that has no label."""


def decisive_line(error: Exception) -> str:
    """Return the last line of a library's message, which says most: OpenVINO begins with places in its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    return last.partition(" Please check")[0][:_MAX_LETTERS]
