"""Augmentation that moves pixels and boxes together, drawn from a generator that the caller seeds.

A window of the image, zoomed, stretched and perhaps mirrored, becomes the network's input; sometimes four
windows of four images share it (mosaic, YOLOv4, https://arxiv.org/abs/2004.10934). Then colours change.
Windows are chosen so that objects are kept or left out, rarely cut: networks learn badly from half an object.
Masks are only placed here; `placed_masks` renders them where a network asks for them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from runtime.boxes import area
from runtime.letterbox import Letterbox
from runtime.manifest import PADDING
from trainer import placed_masks
from trainer.assigner import IGNORED
from trainer.copy_paste import with_pasted_objects
from trainer.copy_paste_masks import paste_objects
from trainer.example import Example
from trainer.placed_masks import PlacedMasks


@dataclass(frozen=True)
class Augmentation:
    """Strength of the augmentation.

    Attributes:
        zoom: Smallest and largest size of an image relative to the letterboxed one.
        stretch: Largest factor by which one axis is stretched against the other.
        flip: Probability of a mirror image, left to right.
        colour: Strength of brightness, contrast, saturation and hue changes; 0 is none.
        mosaic: Probability that four images share the input.
        copy_paste: Probability that an image gets objects of others.
        outlines: Whether objects are pasted along their masks, and those without a mask never; else with their boxes.
        tile_zoom: How much larger objects are in tiles (`runtime.tiles`), around which `TILES_PART` of the inputs are
            zoomed; 1 if there are none.
    """

    zoom: tuple[float, float] = (0.5, 2.0)
    stretch: float = 1.25
    flip: float = 0.5
    colour: float = 1.0
    mosaic: float = 0.5
    copy_paste: float = 0.0
    outlines: bool = False
    tile_zoom: float = 1.0


# Values of `augment=`; None prepares images as serving does.
STRONG = Augmentation()
STRENGTHS: dict[str, Augmentation | None] = {
    "none": None,
    "weak": Augmentation(zoom=(0.8, 1.25), stretch=1.1, colour=0.4, mosaic=0),
    "strong": STRONG,
}
# What the closing phase (`schedule.CLOSING_PART`) has in place of "strong".
CLOSING = Augmentation(zoom=(0.8, 1.25), stretch=1.1, colour=0.5, mosaic=0)

# An object of which less is visible is left out; a window is only used if no object lies between.
MIN_VISIBLE = 0.1
WELL_VISIBLE = 0.4
# Objects with smaller sides, in input pixels, cannot be learnt at the finest stride of 8.
MIN_SIDE = 4.0
WINDOW_TRIES = 12
# Part of the inputs that are at the scale of tiles, if there are any.
TILES_PART = 0.5
# Tiles show all images at one scale: less zoom around it does.
TILE_ZOOM = (0.7, 1.4)
# Part of them that lie anywhere, as those of serving do, of which many show no object.
TILES_ANYWHERE = 0.3


def of_phase(
    name: str, *, closing: bool, copy_paste: float = 0.0, outlines: bool = False, tile_zoom: float = 1.0
) -> Augmentation | None:
    """Return the augmentation of an epoch; `name` and `copy_paste` are the values of `augment=` and `copy_paste=`.

    `outlines` and `tile_zoom` are as in `Augmentation`.
    """
    strength = STRENGTHS[name]
    if name == "strong":
        strength = CLOSING if closing else replace(STRONG, copy_paste=copy_paste, outlines=outlines)
    return replace(strength, tile_zoom=tile_zoom) if strength and tile_zoom > 1 else strength


class InputExample(NamedTuple):
    """The network's input with its ground truth.

    Attributes:
        pixels: uint8 (H, W, 3).
        boxes: float32 (G, 4), xyxy, input pixels.
        class_ids: int64 (G,).
        masks: One for each box, or None; empty if there are none. `placed_masks.instance_masks` makes them pixels.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    class_ids: np.ndarray
    masks: PlacedMasks = ()


# An input that is not yet in its last form: image, boxes, class ids, masks.
_Canvas = tuple[Image.Image, np.ndarray, np.ndarray, PlacedMasks]


def letterbox_example(example: Example, input_size: tuple[int, int]) -> InputExample:
    """Return the input as serving prepares it."""
    letterbox = Letterbox.fit(example.size, input_size)
    boxes = letterbox.to_input(example.boxes)
    scale = np.array(letterbox.resized) / example.size
    masks = example.place_masks(scale, np.zeros(2), input_size)
    return InputExample(letterbox.pixels(example.image), boxes, example.class_ids, masks)


def augment(
    example: Example,
    another: Callable[[], Example],
    input_size: tuple[int, int],
    strength: Augmentation,
    rng: np.random.Generator,
) -> InputExample:
    """Return one augmented input, its boxes cut to it; `another` returns other training images: mosaics, pasting."""

    def pasted(example: Example) -> Example:
        if not strength.outlines and rng.random() < strength.copy_paste:
            return with_pasted_objects(example, another, rng)
        return example

    is_tile = strength.tile_zoom > 1 and not example.found_in_whole and rng.random() < TILES_PART
    if is_tile:
        canvas = _tile(pasted(example), input_size, strength, rng)
    elif rng.random() < strength.mosaic:
        examples = [pasted(one) for one in (example, another(), another(), another())]
        canvas = _mosaic(examples, input_size, strength, rng)
    else:
        canvas = _window(pasted(example), input_size, strength, rng)
    if rng.random() < strength.flip:
        canvas = _mirror(*canvas)
    if strength.outlines and rng.random() < strength.copy_paste:
        source = (_tile if is_tile else _window)(another(), input_size, strength, rng)
        canvas = paste_objects(*canvas, _mirror(*source) if rng.random() < strength.flip else source, rng)
    image, boxes, class_ids, masks = canvas
    return InputExample(np.asarray(_recolour(image, strength.colour, rng)), boxes, class_ids, masks)


def _mirror(image: Image.Image, boxes: np.ndarray, class_ids: np.ndarray, masks: PlacedMasks) -> _Canvas:
    width = image.width
    boxes = boxes[:, [2, 1, 0, 3]] * _float32(-1, 1, -1, 1) + _float32(1, 0, 1, 0) * width
    mirrored = tuple(None if mask is None else mask.mirrored(width) for mask in masks)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), boxes, class_ids, mirrored


def _tile(example: Example, input_size: tuple[int, int], strength: Augmentation, rng: np.random.Generator) -> _Canvas:
    """Return a window at the scale of tiles: around one of the objects, but for some that may show none.

    What it cuts becomes an ignore region, without a mask, as serving drops what an inner border cuts: among many
    objects hardly any window cuts none.
    """
    low, high = (strength.tile_zoom * min(max(end, TILE_ZOOM[0]), TILE_ZOOM[1]) for end in strength.zoom)
    objects = np.flatnonzero(example.class_ids != IGNORED)
    aimed = len(objects) > 0 and rng.random() >= TILES_ANYWHERE
    shown = example.boxes[rng.choice(objects)] if aimed else None
    window = _draw_window(example.size, input_size, (low, high), strength.stretch, rng, shown=shown)
    boxes, visible = _boxes_in(window, example.boxes, input_size)
    cut = (visible > MIN_VISIBLE) & (visible < WELL_VISIBLE)
    class_ids = np.where(cut, IGNORED, example.class_ids)
    keep = _learnt(boxes, visible, class_ids)
    placed = zip(_masks_in(window, example, input_size), cut.tolist(), strict=bool(example.masks))
    masks = placed_masks.take(tuple(None if is_cut else mask for mask, is_cut in placed), keep)
    return _render(example, window, input_size), boxes[keep], class_ids[keep], masks


def _mosaic(
    examples: Sequence[Example], input_size: tuple[int, int], strength: Augmentation, rng: np.random.Generator
) -> _Canvas:
    width, height = input_size
    x = round(width * rng.uniform(0.35, 0.65))
    y = round(height * rng.uniform(0.35, 0.65))
    corners = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
    canvas = Image.new("RGB", input_size)
    boxes, class_ids, masks = [], [], []
    for example, (x1, y1, x2, y2) in zip(examples, corners, strict=True):
        # A quarter of the area: zooming in a little more keeps objects near their usual size.
        part, part_boxes, part_ids, part_masks = _window(example, (x2 - x1, y2 - y1), strength, rng, zoom=(0.9, 2.4))
        canvas.paste(part, (x1, y1))
        boxes.append(part_boxes + _float32(x1, y1, x1, y1))
        class_ids.append(part_ids)
        masks.append((tuple(None if mask is None else mask.moved(x1, y1) for mask in part_masks), len(part_ids)))
    return canvas, np.concatenate(boxes), np.concatenate(class_ids), placed_masks.join(masks)


def _window(
    example: Example,
    input_size: tuple[int, int],
    strength: Augmentation,
    rng: np.random.Generator,
    zoom: tuple[float, float] | None = None,
) -> _Canvas:
    """Return a random window of an image, resized to `input_size`; it shows an object if the image has one."""
    for _ in range(WINDOW_TRIES):
        window = _draw_window(example.size, input_size, zoom or strength.zoom, strength.stretch, rng)
        boxes, visible = _boxes_in(window, example.boxes, input_size)
        cut = (visible > MIN_VISIBLE) & (visible < WELL_VISIBLE)
        if not cut.any() and ((visible >= WELL_VISIBLE).any() or not len(visible)):
            break
    else:
        window = _draw_window(example.size, input_size, (0.8, 1.0), 1.0, rng, inside=True)
        boxes, visible = _boxes_in(window, example.boxes, input_size)
    keep = _learnt(boxes, visible, example.class_ids)
    masks = placed_masks.take(_masks_in(window, example, input_size), keep)
    return _render(example, window, input_size), boxes[keep], example.class_ids[keep], masks


def _draw_window(
    size: tuple[int, int],
    input_size: tuple[int, int],
    zoom: tuple[float, float],
    stretch: float,
    rng: np.random.Generator,
    *,
    inside: bool = False,
    shown: np.ndarray | None = None,
) -> np.ndarray:
    """Return (x1, y1, x2, y2) in image pixels, float64; it may extend beyond the image.

    With `inside` it lies in the middle; with a box `shown` (4,) that is in it, if it is large enough for that.
    """
    scale = min(input_size[0] / size[0], input_size[1] / size[1])
    scale *= math.exp(rng.uniform(math.log(zoom[0]), math.log(zoom[1])))
    ratio = math.exp(rng.uniform(-math.log(stretch), math.log(stretch)) / 2)
    extent = np.array([input_size[0] / (scale * ratio), input_size[1] * ratio / scale])
    room = np.array(size) - extent
    # A window larger than the image holds it whole somewhere; a smaller one lies inside.
    low, high = np.minimum(room, 0), np.maximum(room, 0)
    if shown is not None:
        low, high = np.clip([shown[2:] - extent, shown[:2]], low, high)
        low, high = np.minimum(low, high), np.maximum(low, high)
    corner = low + (high - low) * rng.random(2)
    if inside:
        corner = low / 2 + high / 2
    return np.concatenate([corner, corner + extent])


def _boxes_in(window: np.ndarray, boxes: np.ndarray, input_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (G, 4) clipped to the window, in input pixels, and the part of each that is visible (G,)."""
    scale = np.array(input_size) / (window[2:] - window[:2])
    moved = (boxes - np.tile(window[:2], 2)) * np.tile(scale, 2)
    clipped = np.clip(moved, 0, np.tile(input_size, 2)).astype(np.float32)
    return clipped, area(clipped) / np.maximum(area(moved), 1e-6)


def _masks_in(window: np.ndarray, example: Example, input_size: tuple[int, int]) -> PlacedMasks:
    """Return the masks of an image where a window of it is the input."""
    scale = np.array(input_size) / (window[2:] - window[:2])
    return example.place_masks(scale, -window[:2] * scale, input_size)


def _learnt(boxes: np.ndarray, visible: np.ndarray, class_ids: np.ndarray) -> np.ndarray:
    """Return which boxes of `_boxes_in` are learnt: objects that are well visible, and any part of ignore regions."""
    sides = boxes[:, 2:] - boxes[:, :2]
    seen = (visible >= WELL_VISIBLE) | ((class_ids == IGNORED) & (visible > 0))
    return seen & (sides.min(axis=1, initial=np.inf) >= MIN_SIDE)


def _render(example: Example, window: np.ndarray, input_size: tuple[int, int]) -> Image.Image:
    canvas = Image.new("RGB", input_size, PADDING)
    size = np.array(example.size)
    seen = np.clip(window, 0, np.tile(size, 2))
    scale = np.array(input_size) / (window[2:] - window[:2])
    # Whole pixels of the canvas; the source follows from them, so that boxes and pixels agree.
    target = np.rint((seen - np.tile(window[:2], 2)) * np.tile(scale, 2)).astype(int)
    if (target[2:] <= target[:2]).any():
        return canvas
    source = target / np.tile(scale, 2) + np.tile(window[:2], 2)
    reduced = np.array(example.image.size) / size
    source = np.clip(source * np.tile(reduced, 2), 0, np.tile(example.image.size, 2))
    part = example.image.resize(
        tuple(target[2:] - target[:2]), Image.Resampling.BILINEAR, box=tuple(source), reducing_gap=2.0
    )
    canvas.paste(part, tuple(target[:2]))
    return canvas


def _recolour(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    if not strength:
        return image
    if rng.random() < 0.8:
        image = _shift_channels(image, strength, rng)
        image = ImageEnhance.Color(image).enhance(max(0.0, 1 + strength * rng.uniform(-0.5, 0.5)))
    if rng.random() < 0.08 * strength:
        image = image.convert("L").convert("RGB")
    if rng.random() < 0.1 * strength:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    return image


def _shift_channels(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Change brightness, contrast, gamma and white balance by one look-up table for each channel."""
    values = np.arange(256) / 255
    values = values ** math.exp(strength * rng.uniform(-0.35, 0.35))
    contrast = 1 + strength * rng.uniform(-0.3, 0.3)
    brightness = strength * rng.uniform(-0.15, 0.15)
    tables = []
    for _ in range(3):
        gain = 1 + strength * rng.uniform(-0.08, 0.08)
        tables.append(np.clip(((values - 0.5) * contrast + 0.5 + brightness) * gain * 255, 0, 255))
    return image.point(np.rint(np.concatenate(tables)).astype(int).tolist())


def _float32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)
