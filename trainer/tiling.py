"""Whether to train for tiles (`runtime.tiles`), where that is not requested.

They are trained for where they can help: most objects are small in the network's input, and the images have more detail
than that. Whether they are used is seen at the end (`trainer.tiles_choice`).
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.object_sizes import SMALL_BELOW
from runtime.boxes import area
from runtime.letterbox import Letterbox
from runtime.manifest import Tiles
from trainer.config import NO_TILES
from trainer.datasets.sample import Sample

# Part of the objects that have to be small.
SMALL_PART = 0.5


@dataclass(frozen=True)
class Tiling:
    """Value of the argument `tiles`, and why, for people."""

    tiles: str
    reason: str


def choose(samples: Sequence[Sample], input_size: tuple[int, int], *, augment: str = "strong") -> Tiling:
    """Decide from the boxes and the sizes of all training images."""
    if augment == "none":
        return Tiling(NO_TILES, "augment=none shows whole images only")
    letterboxes = [Letterbox.fit(sample.image_size, input_size) for sample in samples]
    boxes = [box.to_input(sample.boxes) for box, sample in zip(letterboxes, samples, strict=True)]
    sides = np.sqrt(area(np.concatenate([np.zeros((0, 4), np.float32), *boxes])))
    if not len(sides) or (sides < SMALL_BELOW).mean() < SMALL_PART:
        return Tiling(NO_TILES, f"fewer than half of the objects are smaller than {SMALL_BELOW} pixels in the input")
    side = float(np.median(sides))
    detail = statistics.median(max(box.image_size) / max(box.resized) for box in letterboxes)
    two, three = Tiles(2), Tiles(3)
    if detail < two.zoom:
        return Tiling(NO_TILES, f"the images have only {detail:.1f} times as many pixels a side as the input shows")
    per_side = 3 if detail >= three.zoom and side * two.zoom < SMALL_BELOW else 2
    return Tiling(
        str(per_side),
        f"half of the objects are smaller than {side:.0f} pixels in the input, and the images {detail:.1f} times "
        f"larger: trains for {per_side} x {per_side} tiles, too, and uses them if that pays on the validation images",
    )
