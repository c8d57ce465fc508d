"""A drawn photograph of a work table with exact boxes: `draw(seed)`.

Objects and clutter are laid on the ground one after the other. A thing that would leave less than
`table.MIN_VISIBLE` of an object in sight is laid elsewhere, so that every object in the picture is annotated:
there is none too hidden to count. A box is tight around what is visible.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from preannotate.core.errors import PreannotateError
from preannotate.synthetic import clutter, objects
from preannotate.synthetic.backgrounds import background
from preannotate.synthetic.camera import photograph
from preannotate.synthetic.distance import Plane
from preannotate.synthetic.objects import LABELS
from preannotate.synthetic.shading import Light, Part, coverage, outline, paint
from preannotate.synthetic.table import CLUTTER, Table, bounds

MIN_OBJECTS, MAX_OBJECTS = 2, 6
# Longest side of an object as a share of the picture's shorter side: 1 : 4.
MIN_EXTENT, MAX_EXTENT = 0.15, 0.6
_MAX_CLUTTER_EXTENT = 0.4
_MIN_CLUTTER, _MAX_CLUTTER = 3, 6
_TRIES = 25


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
    table = Table(np.zeros(size[::-1], np.uint8))
    wanted = int(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
    things = [CLUTTER] * int(rng.integers(_MIN_CLUTTER, _MAX_CLUTTER + 1))
    things += [int(class_id) for class_id in rng.integers(0, len(LABELS), wanted)]
    for class_id in rng.permutation(things).tolist():
        _lay(class_id, canvas, table, light, rng)
    while table.count_objects() < MIN_OBJECTS:
        _lay(int(rng.integers(len(LABELS))), canvas, table, light, rng)
    boxes, class_ids, occluded = table.annotations()
    return Scene(photograph(canvas, rng), boxes, class_ids, occluded)


def _light(rng: np.random.Generator) -> Light:
    x, y = rng.uniform(-0.75, 0.75, 2)
    length = math.sqrt(x * x + y * y + 1)
    return Light((x / length, y / length, 1 / length), rng.uniform(0.3, 0.55))


def _lay(class_id: int, canvas: np.ndarray, table: Table, light: Light, rng: np.random.Generator) -> None:
    """Put one thing on the table where it may lie; leave it out if no place is found."""
    height, width = table.owners.shape
    shorter = min(width, height)
    largest = _MAX_CLUTTER_EXTENT if class_id == CLUTTER else MAX_EXTENT
    share = MIN_EXTENT * (largest / MIN_EXTENT) ** rng.random()
    if class_id != CLUTTER:
        share *= objects.RELATIVE_SIZE[LABELS[class_id]]
    extent = round(share * shorter, 3)
    margin = 3 + math.ceil(0.04 * shorter)
    plane = Plane.turned(extent=extent, angle=rng.uniform(0, 360), margin=margin)
    parts = clutter.parts(plane, rng) if class_id == CLUTTER else objects.parts(LABELS[class_id], plane, rng)
    distance = outline(parts)
    needed = bounds(distance < margin)
    distance, parts = distance[needed], [part.cropped(needed) for part in parts]
    whole = distance < 0
    area = int(whole.sum())
    for _ in range(_TRIES):
        left, top = (
            int(rng.integers(-side // 4, length - side + side // 4 + 1))
            for side, length in zip(distance.shape[::-1], (width, height), strict=True)
        )
        window, patch = _overlap((left, top), distance.shape, table.owners.shape)
        if table.accepts(window, whole[patch], area, annotated=class_id != CLUTTER):
            table.add(window, whole[patch], area, class_id)
            _compose(canvas, window, patch, parts, distance, light, margin)
            return


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
