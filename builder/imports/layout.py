"""What an adapter is told, and what it answers about the outputs of a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Name of an output to its shape; -1 where the size is not known before the network runs.
Shapes = Mapping[str, tuple[int, ...]]
# Strides of the feature levels that nearly every YOLO has, and of those with one level more.
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))


@dataclass(frozen=True)
class AdapterMatch:
    """The outputs that an adapter decodes.

    Attributes:
        names: In the order in which `decode` and `graph` get them.
        num_classes: As the shapes tell it; None if they do not.
    """

    names: tuple[str, ...]
    num_classes: int | None


@dataclass(frozen=True)
class Layout:
    """What decoding needs besides the outputs.

    Attributes:
        input_size: (width, height) of the network's input.
        num_classes: K.
        first_class: The number that the network gives to the first label, where it answers with numbers.
    """

    input_size: tuple[int, int]
    num_classes: int
    first_class: int = 1


def feature_strides(input_size: tuple[int, int], rows: int, *, for_each_cell: int = 1) -> Sequence[int] | None:
    """The strides of the feature levels whose cells make up `rows` predictions; None if no usual ones do.

    >>> levels((640, 640), 8400), levels((640, 640), 25200, for_each_cell=3), levels((640, 640), 100)
    ((8, 16, 32), (8, 16, 32), None)
    """
    width, height = input_size
    for strides in _STRIDES:
        if rows == for_each_cell * sum((width // stride) * (height // stride) for stride in strides):
            return strides
    return None
