"""Copy-paste augmentation: objects with masks are cut out of one image and pasted into another.

Reference: Simple Copy-Paste, https://arxiv.org/abs/2012.07177; without blending, which it found to change nothing.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from runtime.boxes import area
from runtime.masks import InstanceMask, intersection
from trainer.assigner import IGNORED
from trainer.placed_masks import PlacedMask, PlacedMasks

# Part of the objects that is pasted.
PASTED_PART = 0.5
# A pasted object leaves at least so much of each object below it.
MIN_VISIBLE = 0.4


@dataclass
class _Objects:
    """The objects of an input, on top of which others are pasted.

    Attributes:
        boxes: float32 (G, 4), xyxy, input pixels.
        masks: In input pixels; None for a plain box.
        areas: Number of pixels of each before anything was pasted.
        changed: Which masks are smaller than before.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    masks: list[InstanceMask | None]
    areas: list[float]
    changed: set[int]

    def accept(self, pasted: InstanceMask) -> bool:
        """Whether every object stays visible enough below `pasted`."""
        return all(
            self._visible(index, pasted) >= MIN_VISIBLE * whole
            for index, whole in enumerate(self.areas)
            if self.class_ids[index] != IGNORED
        )

    def cover(self, pasted: InstanceMask) -> None:
        """Take the pixels of `pasted` from the masks below it."""
        for index, mask in enumerate(self.masks):
            if mask is not None and intersection(mask, pasted):
                self.masks[index] = mask_without(mask, pasted)
                self.changed.add(index)

    def _visible(self, index: int, pasted: InstanceMask) -> float:
        mask = self.masks[index]
        if mask is not None:
            return mask.area - intersection(mask, pasted)
        x1, y1, x2, y2 = np.rint(self.boxes[index]).astype(int).tolist()
        covered = pasted.cut((x1, y1, x2, y2))
        return self.areas[index] - (0 if covered is None else covered.area)


def paste_objects(
    image: Image.Image,
    boxes: np.ndarray,
    class_ids: np.ndarray,
    masks: PlacedMasks,
    source: tuple[Image.Image, np.ndarray, np.ndarray, PlacedMasks],
    rng: np.random.Generator,
) -> tuple[Image.Image, np.ndarray, np.ndarray, PlacedMasks]:
    """Return an input with some of the objects of another of the same size, the source.

    Objects below become smaller: their masks, and the boxes of those that have one. An object that would hide too much
    of another is not pasted, and one without a mask never is.
    """
    size = image.size
    found = [None if mask is None else mask.to_input(size) for mask in masks or (None,) * len(boxes)]
    areas = [float(area(box)) if mask is None else float(mask.area) for box, mask in zip(boxes, found, strict=True)]
    below = _Objects(boxes.copy(), class_ids, found, areas, set())
    pixels, source_pixels = np.array(image), np.asarray(source[0])
    pasted: list[tuple[int, InstanceMask]] = []
    for index, placed in enumerate(source[3]):
        if placed is None or source[2][index] == IGNORED or rng.random() >= PASTED_PART:
            continue
        mask = placed.to_input(size)
        if mask is None or not below.accept(mask) or any(intersection(mask, other) for _, other in pasted):
            continue
        below.cover(mask)
        pasted.append((index, mask))
        rows, columns = slice(mask.top, mask.top + mask.height), slice(mask.left, mask.left + mask.width)
        pixels[rows, columns][mask.bitmap] = source_pixels[rows, columns][mask.bitmap]
    if not pasted:
        return image, boxes, class_ids, masks
    for index in below.changed:
        mask = below.masks[index]
        assert mask is not None
        below.boxes[index] = _inside(below.boxes[index], mask)
    indices = [index for index, _ in pasted]
    all_masks = [*below.masks, *(mask for _, mask in pasted)]
    return (
        Image.fromarray(pixels),
        np.concatenate([below.boxes, source[1][indices]]),
        np.concatenate([class_ids, source[2][indices]]),
        tuple(None if mask is None else PlacedMask.as_it_is(mask, size) for mask in all_masks),
    )


def mask_without(mask: InstanceMask, other: InstanceMask) -> InstanceMask | None:
    """Return the pixels of a mask that another does not have; None if there are none."""
    bitmap = mask.bitmap
    common = other.cut((mask.left, mask.top, mask.left + mask.width, mask.top + mask.height))
    if common is not None:
        top, left = common.top - mask.top, common.left - mask.left
        bitmap[top : top + common.height, left : left + common.width] &= ~common.bitmap
    return InstanceMask.from_bitmap(bitmap, mask.left, mask.top)


def _inside(box: np.ndarray, mask: InstanceMask) -> np.ndarray:
    """Return the part of a box that is around what is left of its mask."""
    left, top, right, bottom = mask.box
    return np.array([max(box[0], left), max(box[1], top), min(box[2], right), min(box[3], bottom)], np.float32)
