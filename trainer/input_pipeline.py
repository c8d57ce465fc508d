"""Batches of an epoch: images are decoded, augmented and turned into targets in parallel to the training step.

The order and the augmentation follow from (seed, epoch, position) alone, so that a resumed run sees
exactly what an uninterrupted one would have seen, and several processes together what one alone would.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import tensorflow as tf

from runtime.image import decode
from runtime.manifest import Tiles
from runtime.tiles import decode_for_views, views
from trainer.assigner import IGNORED
from trainer.augment import Augmentation, augment, letterbox_example
from trainer.datasets.sample import Sample
from trainer.example import Example
from trainer.models.network import Network

# Decoded images are kept up to this many bytes together; the rest is decoded again each epoch.
CACHE_BYTES = 500_000_000
# Zooming in by two needs pixels that a decode for the plain input would have thrown away.
DECODE_FACTOR = 2


class Images(Protocol):
    """Images with their boxes, such as an `ImageCache`."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, index: int) -> Example:
        """Return an image with its boxes."""


class ImageCache:
    """Decoded training images, kept in memory as far as they fit.

    With `exact` they are decoded as serving decodes them; otherwise with the detail that zooming in needs.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        input_size: tuple[int, int],
        *,
        exact: bool,
        tile_zoom: float = 1.0,
        limit: int = CACHE_BYTES,
    ) -> None:
        factor = 1 if exact else max(DECODE_FACTOR, math.ceil(tile_zoom))
        self._samples = samples
        self._exact = exact
        self._decode_size = (input_size[0] * factor, input_size[1] * factor)
        self._kept: dict[int, Example] = {}
        self._bytes, self._limit = 0, limit

    def __len__(self) -> int:
        """Number of images."""
        return len(self._samples)

    def __getitem__(self, index: int) -> Example:
        """Return an image with its boxes."""
        if index in self._kept:
            return self._kept[index]
        sample = self._samples[index]
        image = decode(sample.image.read_bytes(), self._decode_size)
        pixels = image.pixels
        if not self._exact:
            # A large photo is kept at the size that windows need, not at its own.
            pixels.thumbnail(self._decode_size, reducing_gap=2.0)
        # Ignore regions are augmented together with the boxes.
        boxes = np.concatenate([sample.boxes, sample.ignored])
        class_ids = np.concatenate([sample.class_ids, np.full(len(sample.ignored), IGNORED)])
        masks = (*sample.masks, *[None] * len(sample.ignored)) if sample.masks else ()
        example = Example(pixels, image.size, boxes, class_ids, masks)
        size = pixels.width * pixels.height * 3
        if self._bytes + size <= self._limit:
            self._kept[index] = example
            self._bytes += size
        return example


def serving_inputs(
    samples: Sequence[Sample], input_size: tuple[int, int], tiles: Tiles | None = None
) -> Iterator[np.ndarray]:
    """Yield an input for each image as serving prepares them, uint8 (H, W, 3).

    Of an image with tiles it is one of its views, so that there are about as many of each over all images.
    """
    for number, sample in enumerate(samples):
        image = decode_for_views(sample.image.read_bytes(), input_size, tiles)
        seen = views(image.size, input_size, tiles)
        yield seen[number % len(seen)].pixels(image.pixels)


@dataclass(frozen=True)
class Epoch:
    """An epoch: its images in order, and their augmentation.

    Attributes:
        batch_size: Images in a step; the last, smaller batch of an epoch is filled up with further images.
        augmentation: None prepares images as serving does.
    """

    seed: int
    number: int
    batch_size: int
    augmentation: Augmentation | None

    def order(self, count: int) -> np.ndarray:
        """Return the indices of the images, int64, a whole number of batches; every image at least once."""
        steps = -(-count // self.batch_size)
        rng = np.random.default_rng((self.seed, self.number))
        rounds = [rng.permutation(count) for _ in range(-(-steps * self.batch_size // count))]
        return np.concatenate(rounds)[: steps * self.batch_size]


@dataclass(frozen=True)
class Shard:
    """The part of each batch that this process makes: the `index`-th of `count` equal ones."""

    index: int = 0
    count: int = 1

    def of(self, positions: np.ndarray, batch_size: int) -> np.ndarray:
        """Return the positions of this shard; `positions` is int64 and a whole number of batches."""
        return positions.reshape(-1, self.count, batch_size // self.count)[:, self.index].ravel()


WHOLE_BATCH = Shard()


def batches(images: Images, network: Network, epoch: Epoch, shard: Shard = WHOLE_BATCH) -> tf.data.Dataset:
    """Return batches of `pixels` uint8 (B, H, W, 3), the network's targets with B in front, and `index` (B,).

    B is the batch size divided by the number of shards, which must divide it.
    """
    order = epoch.order(len(images))
    width, height = network.input_size
    spec = {"pixels": tf.TensorSpec((height, width, 3), tf.uint8), **network.target_spec}

    def example(position: np.ndarray, index: np.ndarray) -> list[np.ndarray]:
        made = _example(images, int(index), network, epoch, int(position))
        return [made[name] for name in spec]

    def to_tensors(position: tf.Tensor, index: tf.Tensor) -> dict[str, tf.Tensor]:
        dtypes = [item.dtype for item in spec.values()]
        tensors = tf.numpy_function(example, [position, index], dtypes, stateful=False)
        shaped = (tf.ensure_shape(tensor, item.shape) for tensor, item in zip(tensors, spec.values(), strict=True))
        return {**dict(zip(spec, shaped, strict=True)), "index": index}

    positions = shard.of(np.arange(len(order)), epoch.batch_size)
    dataset = tf.data.Dataset.from_tensor_slices((positions, order[positions]))
    dataset = dataset.map(to_tensors, num_parallel_calls=2, deterministic=True)
    return dataset.batch(epoch.batch_size // shard.count, drop_remainder=True).prefetch(2)


def _example(images: Images, index: int, network: Network, epoch: Epoch, position: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng((epoch.seed, epoch.number, position))
    if epoch.augmentation is None:
        made = letterbox_example(images[index], network.input_size)
    else:
        made = augment(
            images[index],
            lambda: images[int(rng.integers(len(images)))],
            network.input_size,
            epoch.augmentation,
            rng,
        )
    if network.mask_head is None:
        return {"pixels": made.pixels, **network.targets(made.boxes, made.class_ids, rng)}
    return {"pixels": made.pixels, **network.targets_with_masks(made.boxes, made.class_ids, made.masks, rng)}
