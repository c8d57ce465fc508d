"""Copy-paste: objects of other training images appear in new places, so that a few photos show many surroundings.

Only boxes are known, so that a rectangle is pasted, its edges blended into what is there: a hard edge would be learnt.

References: Simple Copy-Paste, https://arxiv.org/abs/2012.07177; Cut, Paste and Learn, https://arxiv.org/abs/1708.01642.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from runtime.boxes import area
from trainer.example import Example

# Objects that an image gets at most, and attempts to find a place for one.
MAX_OBJECTS, PLACE_TRIES = 3, 8
# Largest factor by which an object is zoomed relative to its image.
MAX_ZOOM = 1.5
# Part of the smaller of two boxes that may lie in the other.
MAX_OVERLAP = 0.1
# Width of a blended edge, relative to the side of the box.
EDGE = 0.08
# Probability that an image gets some, where that is chosen here, and the boxes of a label that make it superfluous.
PROBABILITY = 0.5
MANY_BOXES = 100
# Side of an object that is known without what is around it, relative to that of the image.
LARGE_SIDE = 0.1


@dataclass(frozen=True)
class CopyPaste:
    """Probability that an image gets objects of others, and why, for people."""

    probability: float
    reason: str


def choose(boxes: np.ndarray, labels: int, input_size: tuple[int, int], *, augment: str = "strong") -> CopyPaste:
    """Decide from the boxes of all training images, (N, 4), xyxy, input pixels.

    It teaches to tell labels apart by the objects themselves, whatever is around them. With one label there is none to
    tell apart, small objects are known by what is around them, and many boxes are in many places already.
    """
    if augment != "strong":
        return CopyPaste(0.0, f"it is a part of augment=strong, and not of augment={augment}")
    if labels < 2:
        return CopyPaste(0.0, "there is one label, and no other to tell it from")
    if np.median(np.sqrt(area(boxes))) < LARGE_SIDE * math.sqrt(math.prod(input_size)):
        return CopyPaste(0.0, "most objects are less than a tenth of an image wide, and known by what is around them")
    if len(boxes) >= MANY_BOXES * labels:
        return CopyPaste(0.0, f"there are {len(boxes)} boxes of {labels} labels, in places enough")
    return CopyPaste(
        PROBABILITY, f"there are only {len(boxes)} boxes of {labels} labels: they are shown in other places too"
    )


def with_pasted_objects(example: Example, another: Callable[[], Example], rng: np.random.Generator) -> Example:
    """Return an example with up to `MAX_OBJECTS` objects of others, each where it hides no object or ignore region.

    Masks are lost: `copy_paste_masks` cuts objects out along their outlines.
    """
    image, boxes, class_ids = example.image, example.boxes, example.class_ids
    for _ in range(rng.integers(1, MAX_OBJECTS + 1)):
        source = another()
        candidates = np.flatnonzero(source.class_ids >= 0)
        if not len(candidates):
            continue
        index = int(rng.choice(candidates))
        part = _cut(source, source.boxes[index], image.size, rng)
        box = _place(part.size, example, boxes, rng)
        if box is None:
            continue
        if image is example.image:
            image = image.copy()
        left, top = np.rint(box[:2] * image.size / example.size).astype(int).tolist()
        image.paste(part, (left, top), _blend(part.size))
        boxes = np.concatenate([boxes, box[None].astype(np.float32)])
        class_ids = np.append(class_ids, source.class_ids[index])
    return Example(image, example.size, boxes, class_ids)


def _cut(source: Example, box: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return the pixels of a box, as large relative to an image of `size` as it is in its own, give or take a zoom."""
    x1, y1, x2, y2 = (box * np.tile(np.array(source.image.size) / source.size, 2)).tolist()
    # Whole pixels, at least one.
    left, top = math.floor(x1), math.floor(y1)
    part = source.image.crop((left, top, max(math.ceil(x2), left + 1), max(math.ceil(y2), top + 1)))
    zoom = min(size[0] / source.image.width, size[1] / source.image.height)
    zoom *= math.exp(rng.uniform(-math.log(MAX_ZOOM), math.log(MAX_ZOOM)))
    part = part.resize((max(round(part.width * zoom), 2), max(round(part.height * zoom), 2)), Image.Resampling.BILINEAR)
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else part


def _place(part: tuple[int, int], example: Example, boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return a place for a part of so many pixels as a box (4,) in the frame of the boxes; None if none was found."""
    width, height = example.image.size
    if part[0] >= width or part[1] >= height:
        return None
    to_frame = np.tile(np.array(example.size) / (width, height), 2)
    for _ in range(PLACE_TRIES):
        left, top = int(rng.integers(width - part[0])), int(rng.integers(height - part[1]))
        box = np.array([left, top, left + part[0], top + part[1]]) * to_frame
        sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
        common = np.maximum(sides, 0).prod(axis=1)
        if (common <= MAX_OVERLAP * np.minimum(area(boxes), area(box[None]))).all():
            return box
    return None


def _blend(size: tuple[int, int]) -> Image.Image:
    """Return the opacity of a part, which falls to 0 at its edges."""
    along = [np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / max(EDGE * side, 1) for side in size]
    opacity = np.minimum(along[0][None], along[1][:, None])
    return Image.fromarray((np.clip(opacity, 0, 1) * 255).astype(np.uint8))
