"""Description of a backbone: how it is built, and which pretrained weights exist for it; the feature pyramid on it."""

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
from keras import layers

from trainer.models.batch_norm import with_fused_batch_norm


def merge_levels(taps: Sequence[keras.KerasTensor], channels: int) -> list[keras.KerasTensor]:
    """Return a feature pyramid: maps of doubling strides with equally many channels, coarser ones added to finer."""
    lateral = [layers.Conv2D(channels, 1, name=f"lateral_{i}")(tap) for i, tap in enumerate(taps)]
    merged = [lateral[-1]]
    for i in reversed(range(len(lateral) - 1)):
        above = layers.UpSampling2D(2, name=f"upsample_{i}")(merged[0])
        merged.insert(0, layers.Add(name=f"merge_{i}")([lateral[i], above]))
    return merged


def to_minus_one_to_one() -> keras.layers.Layer:
    """Return the layer that scales uint8 pixels to [-1, 1], as most of `keras.applications` expect."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1, name="preprocess")


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A kind of backbone.

    Attributes:
        build: Input size (width, height) and alpha to a network without top and with random weights: preprocessed
            pixels (B, H, W, 3) to features.
        taps: Names of its layers that give the last feature maps of strides 8, 16 and 32.
        block_starts: Names of its layers that begin a block; see `Network`.
        block_ends: Of a backbone whose first layers of blocks have no names of their own: names of the layers that
            end a block, all but the last block's. Used in place of `block_starts`.
        preprocess: Makes the layer from uint8 pixels to what the backbone expects.
        alpha: Width with pretrained weights, relative to the original network.
        alpha_by_kernel: Possible widths by the (input, output) channels of a 1x1 convolution that only this backbone
            with this width has; files of weights are recognised by it.
        pretrained: `--base-model NAME` to a function that returns the network of a width without top, its weights in
            the order of those of `build`. The function may fail as a download does, or raise TrainingError.
        file: The file that a download fetches, with a place for `{alpha}`; None if nothing is downloaded.
        package: The Python package that has the weights; None if no package is needed.
        gpu_memory: GB that a single GPU must have to train on it; None if any GPU is enough.
    """

    name: str
    build: Callable[[tuple[int, int], float], keras.Model]
    taps: tuple[str, str, str]
    block_starts: tuple[str, ...] = ()
    block_ends: tuple[str, ...] = ()
    preprocess: Callable[[], keras.layers.Layer] = to_minus_one_to_one
    alpha: float = 1.0
    alpha_from_scratch: float = 1.0
    alpha_by_kernel: Mapping[tuple[int, int], float] = field(default_factory=dict)
    pretrained: Mapping[str, Callable[[float], keras.Model]] = field(default_factory=dict)
    file: str | None = None
    package: str | None = None
    gpu_memory: float | None = None

    def is_cached(self) -> bool:
        """Whether pretrained weights are on this machine: in Keras's cache, or in an installed package."""
        if self.package:
            return importlib.util.find_spec(self.package) is not None
        return self.file is not None and (keras_cache() / self.file.format(alpha=self.alpha)).is_file()

    def find_block_starts(self, network: keras.Model) -> tuple[str, ...]:
        """Return the names of the layers of a network from `build` that begin a block, the first layer included."""
        if not self.block_ends:
            return self.block_starts
        names = [layer.name for layer in network.layers]
        return (names[1], *(names[names.index(end) + 1] for end in self.block_ends))


def application_backbone(name: str, *, padding: str | None = None, **options: Any) -> Backbone:
    """Return a network of `keras.applications` that has one width; `options` are further fields of `Backbone`.

    All its layers that have a padding get `padding`; None leaves it as it is.
    """

    def build(input_size: tuple[int, int], _: float) -> keras.Model:
        shape = (input_size[1], input_size[0], 3)
        network = getattr(keras.applications, name)(input_shape=shape, include_top=False, weights=None)
        return with_fused_batch_norm(network, padding=padding)

    def imagenet(_: float) -> keras.Model:
        return getattr(keras.applications, name)(include_top=False, weights="imagenet")

    return Backbone(name=name, build=build, pretrained={"imagenet": imagenet}, **options)


def keras_cache() -> Path:
    """Return the folder in which Keras keeps downloads."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
