"""What a model family says about its backbone, so that base weights can be found and checked for it."""

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras


@dataclass(frozen=True)
class Backbone:
    """A kind of backbone and the pretrained weights that there are of it.

    Attributes:
        name: As sentences call it.
        alpha: Width with pretrained weights, relative to the original network.
        alpha_from_scratch: Width without.
        alpha_by_kernel: The widths there are, by (input, output) channels of a 1x1 convolution that only
            this backbone of this width has: a file of weights is recognised by it.
        pretrained: `--base-model NAME` to a function that takes alpha and gives a network without top, its weights in
            the order of `build_backbone`'s. The function may fail as a download does, or raise TrainingError.
        file: The file that a download fetches, with a place for `{alpha}`; empty if nothing is downloaded.
        package: The Python package that brings the weights; empty if none does.
        gpu_memory: GB that a single GPU must have to train on it; 0 if any will do.

    """

    name: str
    alpha: float
    alpha_from_scratch: float
    alpha_by_kernel: Mapping[tuple[int, int], float]
    pretrained: Mapping[str, Callable[[float], keras.Model]]
    file: str = ""
    package: str = ""
    gpu_memory: float = 0.0

    def at_hand(self) -> bool:
        """Whether pretrained weights are on this machine: in Keras's cache, or in an installed package."""
        if self.package:
            return importlib.util.find_spec(self.package) is not None
        return bool(self.file) and (keras_cache() / self.file.format(alpha=self.alpha)).is_file()


def keras_cache() -> Path:
    """Where Keras keeps what it fetched."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
