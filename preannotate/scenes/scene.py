"""A drawn photograph of a work table with exact boxes: `draw(seed)`.

Objects and clutter are laid on the ground one after the other. A thing that would leave less than
`MIN_VISIBLE` of an object in sight is laid elsewhere, so that every object in the picture is annotated:
there is none too hidden to count. A box is tight around what is visible.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageFilter

from preannotate.errors import PreannotateError
from preannotate.scenes import clutter, objects
from preannotate.scenes.backgrounds import background, smooth_noise
from preannotate.scenes.distance import Plane
from preannotate.scenes.objects import LABELS
from preannotate.scenes.shading import Light, Part, coverage, outline, paint

MIN_OBJECTS, MAX_OBJECTS = 2, 6
MIN_VISIBLE = 0.6
# Longest side of an object as a share of the picture's shorter side: 1 : 4.
MIN_EXTENT, MAX_EXTENT = 0.15, 0.6
_MAX_CLUTTER_EXTENT = 0.4
_MIN_CLUTTER, _MAX_CLUTTER = 4, 9
_TRIES = 25
_CLUTTER = -1


class SceneError(PreannotateError, ValueError):
    """A scene cannot be drawn or written as asked."""


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it.

    Attributes:
        image: RGB.
        boxes: float32 (G, 4), xyxy, whole image pixels, tight around the visible part of each object.
        class_ids: int64 (G,), into `LABELS`.
        occluded: bool (G,): partly covered or cut off by the border.
        labels: `LABELS`.
    """

    image: Image.Image
    boxes: np.ndarray
    class_ids: np.ndarray
    occluded: np.ndarray
    labels: tuple[str, ...] = LABELS


@dataclass
class _Table:
    """What lies where so far.

    Attributes:
        owners: uint8 (H, W): 1 + index of the thing on top of each pixel, 0 is bare ground.
        class_ids: Of each thing; `_CLUTTER` is of no class.
        areas: Pixels of each thing if nothing hid it.
        visible: Pixels of each thing that can be seen.
    """

    owners: np.ndarray
    class_ids: list[int] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    visible: list[int] = field(default_factory=list)

    def count_objects(self) -> int:
        """Things that have a class."""
        return sum(class_id != _CLUTTER for class_id in self.class_ids)

    def accepts(self, window: tuple[slice, slice], mask: np.ndarray, area: int, *, annotated: bool) -> bool:
        """Whether a thing may cover `mask` without hiding too much of any object, itself included."""
        if mask.sum() < (MIN_VISIBLE if annotated else 0.2) * area:
            return False
        return all(
            class_id == _CLUTTER or visible - hidden >= MIN_VISIBLE * whole
            for class_id, visible, hidden, whole in zip(
                self.class_ids, self.visible, self._covered(window, mask), self.areas, strict=True
            )
        )

    def add(self, window: tuple[slice, slice], mask: np.ndarray, area: int, class_id: int) -> None:
        """Lay a thing on top."""
        covered = self._covered(window, mask)
        self.visible = [seen - hidden for seen, hidden in zip(self.visible, covered, strict=True)]
        self.visible.append(int(mask.sum()))
        self.class_ids.append(class_id)
        self.areas.append(area)
        self.owners[window][mask] = len(self.areas)

    def _covered(self, window: tuple[slice, slice], mask: np.ndarray) -> list[int]:
        """Visible pixels of each thing under `mask`."""
        return np.bincount(self.owners[window][mask], minlength=len(self.areas) + 1)[1:].tolist()


def draw(seed: int, size: tuple[int, int] = (640, 480)) -> Scene:
    """Draw a scene; the same seed and size give the same pixels with the same NumPy and Pillow.

    Args:
        seed: Any whole number from 0 on.
        size: (width, height), at least 64 pixels each.

    Returns:
        2 to 6 objects, each at least 60 % visible.

    Raises:
        SceneError: The size is too small to see anything, or the seed is negative.
    """
    if seed < 0:
        raise SceneError(f"seed: {seed}; expected a whole number from 0 on.")
    if min(size) < 64:
        raise SceneError(f"size: {size[0]}x{size[1]} pixels; expected at least 64x64.")
    rng = np.random.default_rng(seed)
    light = _light(rng)
    canvas = background(size, rng)
    table = _Table(np.zeros(size[::-1], np.uint8))
    wanted = int(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
    things = [_CLUTTER] * int(rng.integers(_MIN_CLUTTER, _MAX_CLUTTER + 1))
    things += [int(class_id) for class_id in rng.integers(0, len(LABELS), wanted)]
    for class_id in rng.permutation(things).tolist():
        _lay(class_id, canvas, table, light, rng)
    while table.count_objects() < MIN_OBJECTS:
        _lay(int(rng.integers(len(LABELS))), canvas, table, light, rng)
    boxes, class_ids, occluded = _annotations(table)
    return Scene(_photograph(canvas, rng), boxes, class_ids, occluded)


def _light(rng: np.random.Generator) -> Light:
    x, y = rng.uniform(-0.75, 0.75, 2)
    length = math.sqrt(x * x + y * y + 1)
    return Light((x / length, y / length, 1 / length), rng.uniform(0.3, 0.55))


def _lay(class_id: int, canvas: np.ndarray, table: _Table, light: Light, rng: np.random.Generator) -> None:
    """Put one thing on the table where it may lie; leave it out if no place is found."""
    height, width = table.owners.shape
    shorter = min(width, height)
    largest = _MAX_CLUTTER_EXTENT if class_id == _CLUTTER else MAX_EXTENT
    share = MIN_EXTENT * (largest / MIN_EXTENT) ** rng.random()
    if class_id != _CLUTTER:
        share *= objects.RELATIVE_SIZE[LABELS[class_id]]
    extent = round(share * shorter, 3)
    margin = 3 + math.ceil(0.04 * shorter)
    plane = Plane.turned(extent=extent, angle=rng.uniform(0, 360), margin=margin)
    parts = clutter.parts(plane, rng) if class_id == _CLUTTER else objects.parts(LABELS[class_id], plane, rng)
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
        window, patch = _overlap((left, top), distance.shape, table.owners.shape)
        if table.accepts(window, whole[patch], area, annotated=class_id != _CLUTTER):
            table.add(window, whole[patch], area, class_id)
            _compose(canvas, window, patch, parts, distance, light, margin)
            return


def _bounds(mask: np.ndarray) -> tuple[slice, slice]:
    """The smallest window around the true pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _overlap(
    corner: tuple[int, int], patch_shape: tuple[int, int], shape: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of the picture that a patch covers, and the part of the patch that is in the picture."""
    left, top = corner
    x1, x2 = max(left, 0), min(left + patch_shape[1], shape[1])
    y1, y2 = max(top, 0), min(top + patch_shape[0], shape[0])
    return (slice(y1, y2), slice(x1, x2)), (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))


def _compose(
    canvas: np.ndarray,
    window: tuple[slice, slice],
    patch: tuple[slice, slice],
    parts: list[Part],
    distance: np.ndarray,
    light: Light,
    margin: int,
) -> None:
    """Shadow first, then the thing itself."""
    height = margin * 0.55
    x, y = (round(offset * height) for offset in light.shadow_offset)
    shifted = np.roll(distance, (y, x), (0, 1))
    shadow = coverage(shifted + np.float32(1), margin * 0.7) * np.float32(0.62 - 0.4 * light.ambient)
    contact = coverage(distance - np.float32(1.5), margin * 0.35) * np.float32(0.3)
    canvas[window] *= (1 - np.maximum(shadow, contact))[patch][..., None]
    alpha = coverage(distance)[patch][..., None]
    canvas[window] += (paint(parts, light)[patch] - canvas[window]) * alpha


def _annotations(table: _Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes, class_ids, occluded = [], [], []
    for i, class_id in enumerate(table.class_ids):
        if class_id != _CLUTTER:
            rows, columns = _bounds(table.owners == i + 1)
            boxes.append((columns.start, rows.start, columns.stop, rows.stop))
            class_ids.append(class_id)
            occluded.append(bool(table.visible[i] < table.areas[i]))
    return np.array(boxes, np.float32), np.array(class_ids, np.int64), np.array(occluded, bool)


def _photograph(canvas: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Uneven light, a tint, sometimes a large shadow; then the lens's blur and the sensor's noise."""
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
