"""Tags beside objects, only where they hide neither each other nor an object."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from evaluation.drawing import Colour, Style, draw_tag, tag_width

# Of an object's box; a tag that would cover more of it is left out.
_MAX_COVERED = 0.25
# xyxy in whole pixels; the right and the bottom end are exclusive.
_Plate = tuple[int, int, int, int]


@dataclass(frozen=True)
class Tag:
    """A text beside an object.

    Attributes:
        box: Of the object, as `drawing.pixel_corners` gives it.
        below: Whether it is below the object where there is room, else above it.
    """

    text: str
    box: tuple[int, int, int, int]
    colour: Colour
    below: bool = False


def draw_tags(
    draw: ImageDraw.ImageDraw,
    tags: Sequence[Tag],
    objects: Sequence[tuple[int, int, int, int]],
    style: Style,
    size: tuple[int, int],
) -> int:
    """Draw tags, the first ones first, and leave out those without room.

    Args:
        draw: Of the picture.
        tags: The most important first.
        objects: Boxes of all objects that are to be seen, as `drawing.pixel_corners` gives them.
        style: Sizes and font.
        size: (width, height) of the part of the picture that tags may lie in.

    Returns:
        How many were left out.
    """
    boxes = np.array(objects, float).reshape(-1, 4)
    boxes[:, 2:] += 1
    plates = np.zeros((0, 4))
    left_out = 0
    for tag in tags:
        for plate in _places(tag, tag_width(draw, tag.text, style), style.tag_height, size):
            covered = _common(plate, boxes) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
            if not _common(plate, plates).any() and (covered <= _MAX_COVERED).all():
                draw_tag(draw, tag.text, plate[:2], tag.colour, style, size)
                plates = np.concatenate([plates, [plate]])
                break
        else:
            left_out += 1
    return left_out


def _places(tag: Tag, width: int, height: int, size: tuple[int, int]) -> Iterator[_Plate]:
    """Yield where a tag may lie, inside the picture as far as it fits: along the left side of its box, or the right."""
    x1, y1, x2, y2 = tag.box
    above, below = y1 - height, y2 + 1
    for top in (below, above) if tag.below else (above, below):
        for left in (x1, x2 + 1 - width):
            left, top = max(min(left, size[0] - width), 0), max(min(top, size[1] - height), 0)
            yield left, top, left + width, top + height


def _common(plate: _Plate, boxes: np.ndarray) -> np.ndarray:
    """Return the area that a plate has in common with each of the boxes (N, 4)."""
    sides = np.minimum(boxes[:, 2:], plate[2:]) - np.maximum(boxes[:, :2], plate[:2])
    return np.clip(sides, 0, None).prod(axis=1)
