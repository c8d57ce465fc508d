"""Copy-paste augmentation: objects with masks are cut out of one image and pasted into another.

Reference: Simple Copy-Paste, https://arxiv.org/abs/2012.07177; without blending, which it found to change nothing.
"""

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


class _Objects:
    """The objects of an input, on top of which others are pasted.

    Attributes:
        boxes: float32 (G, 4), xyxy, input pixels.
        masks: In input pixels; None for a plain box.
        changed: Which masks are smaller than before.
    """

    def __init__(
        self, boxes: np.ndarray, class_ids: np.ndarray, masks: list[InstanceMask | None], size: tuple[int, int]
    ) -> None:
        """Nothing is pasted yet; `class_ids` (G,) are IGNORED for what may be hidden, `size` is that of the input."""
        self.boxes, self.masks = boxes.copy(), masks
        self.changed: set[int] = set()
        self._class_ids = class_ids
        regions = [mask.box if mask else box for mask, box in zip(masks, np.rint(boxes).tolist(), strict=True)]
        self._regions = np.array(regions, np.float64).reshape(-1, 4)
        self._areas = np.array([mask.area if mask else area(box) for mask, box in zip(masks, boxes, strict=True)])
        self._hidden = np.zeros(len(boxes))
        self._pasted = np.zeros((size[1], size[0]), bool)

    def paste(self, mask: InstanceMask) -> bool:
        """Put an object on top, and return whether every object below stays visible enough; else nothing happens."""
        rows, columns = _slices(mask)
        if (self._pasted[rows, columns] & mask.bitmap).any():
            return False
        left, top, right, bottom = mask.box
        x1, y1, x2, y2 = self._regions.T
        below = np.flatnonzero((x1 < right) & (x2 > left) & (y1 < bottom) & (y2 > top)).tolist()
        covered = {index: pixels for index in below if (pixels := self._covered(index, mask))}
        for index, pixels in covered.items():
            is_hidden = self._areas[index] - self._hidden[index] - pixels < MIN_VISIBLE * self._areas[index]
            if is_hidden and self._class_ids[index] != IGNORED:
                return False
        for index, pixels in covered.items():
            self._hidden[index] += pixels
            if (below_it := self.masks[index]) is not None:
                self.masks[index] = mask_without(below_it, mask)
                self.changed.add(index)
        self._pasted[rows, columns] |= mask.bitmap
        return True

    def _covered(self, index: int, mask: InstanceMask) -> int:
        """Return how many pixels of an object a mask hides that nothing hid before."""
        below = self.masks[index]
        if below is not None:
            return intersection(below, mask)
        x1, y1, x2, y2 = map(int, self._regions[index].tolist())
        covered = mask.cut((x1, y1, x2, y2))
        return 0 if covered is None else covered.area


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
    below = _Objects(boxes, class_ids, found, size)
    pixels, source_pixels = np.array(image), np.asarray(source[0])
    pasted: list[tuple[int, InstanceMask]] = []
    for index, placed in enumerate(source[3]):
        if placed is None or source[2][index] == IGNORED or rng.random() >= PASTED_PART:
            continue
        mask = placed.to_input(size)
        if mask is None or not below.paste(mask):
            continue
        pasted.append((index, mask))
        rows, columns = _slices(mask)
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


def _slices(mask: InstanceMask) -> tuple[slice, slice]:
    """Return the rows and the columns of the rectangle around a mask."""
    return slice(mask.top, mask.top + mask.height), slice(mask.left, mask.left + mask.width)


def _inside(box: np.ndarray, mask: InstanceMask) -> np.ndarray:
    """Return the part of a box that is around what is left of its mask."""
    left, top, right, bottom = mask.box
    return np.array([max(box[0], left), max(box[1], top), min(box[2], right), min(box[3], bottom)], np.float32)
