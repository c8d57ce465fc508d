"""Inputs and outputs of an imported network, and why one cannot be imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preannotate.core.text import printable

# Name of an output to its shape; -1 for a size that is not known before the network runs.
Shapes = Mapping[str, tuple[int, ...]]
# Strides of the feature levels that nearly every YOLO has, and of those with one level more; and of tiny models and of
# those for small objects.
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_RARE_STRIDES = ((4, 8, 16, 32), (4, 8, 16), (16, 32))


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
    """

    input_size: tuple[int, int]
    num_classes: int
    first_class: int = 1


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


def feature_strides(
    input_size: tuple[int, int], rows: int, *, for_each_cell: int = 1, rare: bool = True
) -> Sequence[int] | None:
    """The strides of the feature levels whose cells make up `rows` predictions; None if no known ones do.

    Without `rare`, only those that nearly every YOLO has are known.

    >>> feature_strides((640, 640), 8400), feature_strides((640, 640), 25200, for_each_cell=3)
    ((8, 16, 32), (8, 16, 32))
    """
    width, height = input_size
    for strides in (*_STRIDES, *(_RARE_STRIDES if rare else ())):
        if rows == for_each_cell * sum((width // stride) * (height // stride) for stride in strides):
            return strides
    return None


# Where it is written which layouts are read, and how to export so.
GUIDE = "docs/importing.md#what-the-outputs-mean"
_MAX_LETTERS = 200
_BEFORE_CAUSE = "<stack traces unavailable>"  # in messages of TensorFlow
# In the words of TensorFlow, ONNX Runtime, OpenVINO and C++.
_OUT_OF_MEMORY = ("ResourceExhausted", "OOM when", "Failed to allocate", "bad_alloc", "bad alloc", "Cannot allocate")


class UnsupportedModelError(ValueError):
    """The model cannot be imported; one sentence says why and what to do."""


class UnknownClassError(ValueError):
    """The network returns a class number that has no label."""


def decisive_line(error: Exception) -> str:
    """Return the line of a library's message that says most.

    It is the last: OpenVINO begins with places in its own source. TensorFlow ends with places in the graph.
    """
    text = str(error).rpartition(_BEFORE_CAUSE)[2].partition(" [[")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    decisive = lines[0 if _BEFORE_CAUSE in str(error) else -1] if lines else type(error).__name__
    return printable(decisive.partition(" Please check")[0], _MAX_LETTERS)


def why_not_run(error: Exception) -> str:
    """Return a sentence about an error of a library that was reading or running a model."""
    text = f"{type(error).__name__} {error}"
    if isinstance(error, MemoryError) or any(sign in text for sign in _OUT_OF_MEMORY):
        return (
            "needs more memory than a network may have here; expected a smaller one. Free memory, or export it again."
        )
    return f"cannot be run ({decisive_line(error)}); expected a network that runs. Export it again."
