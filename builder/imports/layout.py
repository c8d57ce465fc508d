"""Inputs and outputs of an imported network."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# Name of an output to its shape; -1 for a size that is not known before the network runs.
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class AdapterMatch:
    """The outputs that an adapter decodes.

    Attributes:
        names: In the order in which `decode` and `graph` get them.
        num_classes: None if it does not follow from the shapes.
        unlabelled: How many of them may have no label: classes that are never returned, before or behind the others.
        usual: Whether names and order are those that the exporter writes; where not, only shapes fit, and an adapter
            whose usual names they are is preferred.
    """

    names: tuple[str, ...]
    num_classes: int | None
    unlabelled: int = 0
    usual: bool = True

    def fits_labels(self, num_labels: int) -> bool:
        """Whether the network can have this many labels."""
        return self.num_classes is None or 0 <= self.num_classes - num_labels <= self.unlabelled


@dataclass(frozen=True)
class Layout:
    """What decoding needs besides the outputs.

    Attributes:
        input_size: (width, height) of the network's input.
        num_classes: K.
        first_class: Class number of the first label, where the network returns numbers.
        kept: Class ids, from 0, that are answered, in the order of the function's labels; () for all. Decoding gives
            scores of all K classes; whoever calls it leaves out the others.
    """

    input_size: tuple[int, int]
    num_classes: int
    first_class: int = 1
    kept: tuple[int, ...] = ()


@dataclass(frozen=True)
class Preprocessing:
    """From the engine contract's uint8 RGB to the input of the network: `(channel - mean) / scale`.

    Attributes:
        order: "rgb" or "bgr"; that of the channels, `mean` and `scale`.
    """

    order: str = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def is_identity(self) -> bool:
        """Whether the values stay unchanged."""
        return not any(self.mean) and set(self.scale) == {1.0}

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """Preprocess uint8 (B, H, W, 3), RGB, in NumPy; returns float32 of the same shape."""
        ordered = pixels[..., ::-1] if self.order == "bgr" else pixels
        return (ordered.astype(np.float32) - np.array(self.mean, np.float32)) / np.array(self.scale, np.float32)


@dataclass(frozen=True)
class PreprocessingOptions:
    """Fields of `Preprocessing` that the user has set; None for the adapter's."""

    order: str | None = None
    mean: tuple[float, float, float] | None = None
    scale: tuple[float, float, float] | None = None

    def over(self, usual: Preprocessing) -> Preprocessing:
        """Return `usual` with the fields that are set here."""
        return Preprocessing(self.order or usual.order, self.mean or usual.mean, self.scale or usual.scale)
