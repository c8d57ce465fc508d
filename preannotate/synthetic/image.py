"""A synthetic photograph of a work table with exact boxes.

Objects and clutter are placed on the background one after the other. A thing that would leave less than
`MIN_VISIBLE` of an object visible is placed elsewhere, so that every object in the image is annotated.
A box is tight around the visible part.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageFilter

from preannotate.core.errors import PreannotateError
from preannotate.synthetic.backgrounds import draw_background, smooth_noise
from preannotate.synthetic.objects import LABELS, RELATIVE_SIZE, clutter_parts, object_parts
from preannotate.synthetic.shading import Light, Part, Plane, coverage, outline, paint
from runtime.masks import InstanceMask

MIN_OBJECTS, MAX_OBJECTS = 2, 6
# Longest side of an object as a share of the image's shorter side: 1 : 4.
MIN_EXTENT, MAX_EXTENT = 0.15, 0.6
_MAX_CLUTTER_EXTENT = 0.4
_MIN_CLUTTER, _MAX_CLUTTER = 3, 6
_TRIES = 25
MIN_VISIBLE = 0.7
# Clutter may lie half outside or below something, but nobody would recognise a sliver of it.
_MIN_VISIBLE_CLUTTER = 0.2
CLUTTER = -1

Window = tuple[slice, slice]


class SyntheticImageError(PreannotateError, ValueError):
    """A synthetic image cannot be drawn or written with these arguments."""


@dataclass(frozen=True)
class SyntheticImage:
    """An image and its annotations.

    Attributes:
        boxes: float32 (G, 4), xyxy, whole image pixels, tight around the visible part of each object.
        class_ids: int64 (G,), into `LABELS`.
        occluded: bool (G,): partly covered or cut off by the border.
        masks: The visible pixels of each object, exactly those that were drawn.
    """

    image: Image.Image
    boxes: np.ndarray
    class_ids: np.ndarray
    occluded: np.ndarray
    masks: tuple[InstanceMask, ...]
    labels: tuple[str, ...] = LABELS


@dataclass
class OcclusionMap:
    """The things that were placed so far: keeps every object visible enough to be annotated, and gives its mask.

    Attributes:
        owners: uint8 (H, W): 1 + index of the thing on top of each pixel, 0 is the background.
        class_ids: Class of each thing, or `CLUTTER`.
    """

    owners: np.ndarray
    class_ids: list[int] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    visible: list[int] = field(default_factory=list)

    def count_objects(self) -> int:
        """Return the number of things that have a class."""
        return sum(class_id != CLUTTER for class_id in self.class_ids)

    def accepts(self, window: Window, mask: np.ndarray, area: int, *, annotated: bool) -> bool:
        """Whether a thing may cover `mask` without hiding too much of any object, itself included."""
        if mask.sum() < (MIN_VISIBLE if annotated else _MIN_VISIBLE_CLUTTER) * area:
            return False
        return all(
            class_id == CLUTTER or visible - hidden >= MIN_VISIBLE * whole
            for class_id, visible, hidden, whole in zip(
                self.class_ids, self.visible, self._covered(window, mask), self.areas, strict=True
            )
        )

    def add(self, window: Window, mask: np.ndarray, area: int, class_id: int) -> None:
        """Place a thing on top."""
        covered = self._covered(window, mask)
        self.visible = [seen - hidden for seen, hidden in zip(self.visible, covered, strict=True)]
        self.visible.append(int(mask.sum()))
        self.class_ids.append(class_id)
        self.areas.append(area)
        self.owners[window][mask] = len(self.areas)

    def masks(self) -> tuple[InstanceMask, ...]:
        """Return the visible pixels of each object."""
        masks = (InstanceMask.from_bitmap(self.owners == i + 1) for i in self._objects())
        return tuple(mask for mask in masks if mask is not None)  # each is visible, or it would not have been placed

    def annotations(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the class ids of the objects, int64 (G,), and whether they are occluded, bool (G,)."""
        occluded = [self.visible[i] < self.areas[i] for i in self._objects()]
        return np.array([self.class_ids[i] for i in self._objects()], np.int64), np.array(occluded, bool)

    def _objects(self) -> list[int]:
        return [i for i, class_id in enumerate(self.class_ids) if class_id != CLUTTER]

    def _covered(self, window: Window, mask: np.ndarray) -> list[int]:
        """Return the number of visible pixels of each thing under `mask`."""
        return np.bincount(self.owners[window][mask], minlength=len(self.areas) + 1)[1:].tolist()


def draw_image(seed: int, size: tuple[int, int] = (640, 480)) -> SyntheticImage:
    """Draw an image; the same seed and size give the same pixels with the same NumPy and Pillow.

    Args:
        seed: Any whole number from 0 on.
        size: (width, height), at least 64 pixels each.

    Returns:
        2 to 6 objects, each at least 70 % visible.

    Raises:
        SyntheticImageError: The size is too small, or the seed is negative.
    """
    if seed < 0:
        raise SyntheticImageError(f"seed: {seed}; expected a whole number from 0 on.")
    if min(size) < 64:
        raise SyntheticImageError(f"size: {size[0]}x{size[1]} pixels; expected at least 64x64.")
    rng = np.random.default_rng(seed)
    light = _light(rng)
    canvas = draw_background(size, rng)
    occlusion = OcclusionMap(np.zeros(size[::-1], np.uint8))
    wanted = int(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
    things = [CLUTTER] * int(rng.integers(_MIN_CLUTTER, _MAX_CLUTTER + 1))
    things += [int(class_id) for class_id in rng.integers(0, len(LABELS), wanted)]
    for class_id in rng.permutation(things).tolist():
        _place(class_id, canvas, occlusion, light, rng)
    while occlusion.count_objects() < MIN_OBJECTS:
        _place(int(rng.integers(len(LABELS))), canvas, occlusion, light, rng)
    class_ids, occluded = occlusion.annotations()
    masks = occlusion.masks()
    boxes = np.array([mask.box for mask in masks], np.float32)
    return SyntheticImage(_photograph(canvas, rng), boxes, class_ids, occluded, masks)


def _light(rng: np.random.Generator) -> Light:
    x, y = rng.uniform(-0.75, 0.75, 2)
    length = math.sqrt(x * x + y * y + 1)
    return Light((x / length, y / length, 1 / length), rng.uniform(0.3, 0.55))


def _place(class_id: int, canvas: np.ndarray, occlusion: OcclusionMap, light: Light, rng: np.random.Generator) -> None:
    """Place one thing where it hides no object too much; leave it out if there is no such place."""
    height, width = occlusion.owners.shape
    shorter = min(width, height)
    largest = _MAX_CLUTTER_EXTENT if class_id == CLUTTER else MAX_EXTENT
    share = MIN_EXTENT * (largest / MIN_EXTENT) ** rng.random()
    if class_id != CLUTTER:
        share *= RELATIVE_SIZE[LABELS[class_id]]
    extent = round(share * shorter, 3)
    margin = 3 + math.ceil(0.04 * shorter)
    plane = Plane.turned(extent=extent, angle=rng.uniform(0, 360), margin=margin)
    parts = clutter_parts(plane, rng) if class_id == CLUTTER else object_parts(LABELS[class_id], plane, rng)
    distance = outline(parts)
    needed = _bounds(distance < margin)
    distance, parts = distance[needed], [part.cropped(needed) for part in parts]
    whole = distance < 0
    area = int(whole.sum())
    for _ in range(_TRIES):
        left, top = (
            int(rng.integers(-side // 4, length - side + side // 4 + 1))
            for side, length in zip(distance.shape[::-1], (width, height), strict=True)
        )
        window, patch = _overlap((left, top), distance.shape, occlusion.owners.shape)
        if occlusion.accepts(window, whole[patch], area, annotated=class_id != CLUTTER):
            occlusion.add(window, whole[patch], area, class_id)
            _compose(canvas, window, patch, parts, distance, light, margin)
            return


def _bounds(mask: np.ndarray) -> Window:
    """Return the smallest window around the true pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _overlap(corner: tuple[int, int], patch_shape: tuple[int, int], shape: tuple[int, int]) -> tuple[Window, Window]:
    """Return the part of the image that a patch covers, and the part of the patch that is in the image."""
    left, top = corner
    x1, x2 = max(left, 0), min(left + patch_shape[1], shape[1])
    y1, y2 = max(top, 0), min(top + patch_shape[0], shape[0])
    return (slice(y1, y2), slice(x1, x2)), (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))


def _compose(
    canvas: np.ndarray,
    window: Window,
    patch: Window,
    parts: list[Part],
    distance: np.ndarray,
    light: Light,
    margin: int,
) -> None:
    """Draw the shadow, then the thing itself."""
    height = margin * 0.55
    x, y = (round(offset * height) for offset in light.shadow_offset)
    shifted = np.roll(distance, (y, x), (0, 1))
    shadow = coverage(shifted + np.float32(1), margin * 0.7) * np.float32(0.62 - 0.4 * light.ambient)
    contact = coverage(distance - np.float32(1.5), margin * 0.35) * np.float32(0.3)
    canvas[window] *= (1 - np.maximum(shadow, contact))[patch][..., None]
    alpha = coverage(distance)[patch][..., None]
    canvas[window] += (paint(parts, light)[patch] - canvas[window]) * alpha


def _photograph(canvas: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Apply a camera: uneven light, a tint, sometimes a large shadow, the blur of a lens, the noise of a sensor."""
    height, width = canvas.shape[:2]
    size = (width, height)
    light = 1 + smooth_noise(size, (2, 2), rng) * np.float32(rng.uniform(0.05, 0.3))
    if rng.random() < 0.35:  # something tall beside the table
        edge = smooth_noise(size, (3, 3), rng) * np.float32(3) + np.float32(rng.uniform(0, 1))
        light *= 1 - np.clip(edge, 0, 1) * np.float32(rng.uniform(0.2, 0.45))
    tint = rng.uniform(0.94, 1.06, 3) * rng.uniform(0.7, 1.05) * 255
    canvas *= light[..., None]
    canvas *= tint.astype(np.float32)
    image = Image.fromarray(np.clip(canvas, 0, 255, out=canvas).astype(np.uint8))
    if rng.random() < 0.6:
        image = image.filter(ImageFilter.BoxBlur(rng.uniform(0.3, 0.8) * min(size) / 480))
    strength = np.float32(rng.uniform(0.02, 0.12))
    noise = rng.integers(0, 256, canvas.shape, np.uint8).astype(np.float32)
    noise -= np.float32(127.5)
    noise *= strength
    noise += np.asarray(image)
    return Image.fromarray(np.clip(noise, 0, 255, out=noise).astype(np.uint8))
