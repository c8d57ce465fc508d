"""Boxes, outlines and tags that are visible on any background, in sizes that suit the image."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import ImageDraw, ImageFont

from runtime.masks import InstanceMask
from runtime.polygons import outlines

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
DARK: Colour = (20, 20, 20)
# No font has a glyph for this, so it is drawn as a missing one.
_NO_CHARACTER = "\uffff"
# Pillow's own font has the letters of English only; Pillow finds these by name where a system has them.
_SYSTEM_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "msyh.ttc")


@dataclass(frozen=True)
class Style:
    """Sizes in pixels that suit one image."""

    line: int
    font: ImageFont.FreeTypeFont
    padding: int
    tag_height: int

    @classmethod
    def fitting(cls, size: tuple[int, int], labels: tuple[str, ...]) -> "Style":
        """Sizes for an image of `size` (width, height), and a font for these labels."""
        longest = max(size)
        text = max(round(longest / 46), 10)
        padding = max(text // 5, 2)
        return cls(max(round(longest / 260), 2), _font(text, labels), padding, round(text * 1.2) + 2 * padding)


def pixel_corners(box: Sequence[float] | np.ndarray) -> tuple[int, int, int, int]:
    """Whole pixels; the last ones that the box covers, not those after them."""
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    return x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)


def draw_solid_shape(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    mask: InstanceMask | None,
    colour: Colour,
    style: Style,
) -> None:
    """Draw the outline of a mask, or the box where there is none."""
    if mask is None:
        draw_solid_box(draw, box, colour, style)
    else:
        draw_solid_outlines(draw, outlines(mask), colour, style)


def draw_dashed_shape(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    mask: InstanceMask | None,
    style: Style,
    colour: Colour = WHITE,
) -> None:
    """Draw the outline of a mask, or the box where there is none, with dashes."""
    if mask is None:
        draw_dashed_box(draw, box, style, colour)
    else:
        draw_dashed_outlines(draw, outlines(mask), style, colour)


def draw_solid_box(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour, style: Style) -> None:
    """A coloured line between two thin dark ones, to be seen on any ground."""
    x1, y1, x2, y2 = box
    draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=DARK)
    inner = style.line
    if x2 - x1 > 2 * inner and y2 - y1 > 2 * inner:
        draw.rectangle((x1 + inner, y1 + inner, x2 - inner, y2 - inner), outline=DARK)
    draw.rectangle(box, outline=colour, width=style.line)


def draw_dashed_box(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], style: Style, colour: Colour = WHITE
) -> None:
    """Dashes on a dark line."""
    x1, y1, x2, y2 = box
    draw.rectangle(box, outline=DARK, width=style.line)
    dash = style.line * 4
    for start in range(x1, x2 + 1, 2 * dash):
        end = min(start + dash - 1, x2)
        draw.rectangle((start, y1, end, min(y1 + style.line - 1, y2)), fill=colour)
        draw.rectangle((start, max(y2 - style.line + 1, y1), end, y2), fill=colour)
    for start in range(y1, y2 + 1, 2 * dash):
        end = min(start + dash - 1, y2)
        draw.rectangle((x1, start, min(x1 + style.line - 1, x2), end), fill=colour)
        draw.rectangle((max(x2 - style.line + 1, x1), start, x2, end), fill=colour)


def draw_solid_outlines(draw: ImageDraw.ImageDraw, lines: Sequence[np.ndarray], colour: Colour, style: Style) -> None:
    """Closed lines (P, 2), coloured between two thin dark ones; (0, 0) is a corner of the first pixel."""
    paths = [_closed(line) for line in lines]
    for path in paths:
        draw.line(path, fill=DARK, width=style.line + 2, joint="curve")
    for path in paths:
        draw.line(path, fill=colour, width=style.line, joint="curve")


def draw_dashed_outlines(
    draw: ImageDraw.ImageDraw, lines: Sequence[np.ndarray], style: Style, colour: Colour = WHITE
) -> None:
    """Closed lines (P, 2): dashes on a dark line."""
    dash = style.line * 4
    for line in lines:
        path = np.array(_closed(line))
        draw.line([tuple(point) for point in path.tolist()], fill=DARK, width=style.line, joint="curve")
        along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
        starts = np.arange(0, along[-1], 2 * dash)
        ends = np.minimum(starts + dash, along[-1])
        from_xy, to_xy = (
            np.stack([np.interp(places, along, path[:, axis]) for axis in (0, 1)], axis=1) for places in (starts, ends)
        )
        between = zip(np.searchsorted(along, starts, side="right"), np.searchsorted(along, ends), strict=True)
        for number, (first, last) in enumerate(between):
            points = np.concatenate([from_xy[number : number + 1], path[first:last], to_xy[number : number + 1]])
            draw.line([tuple(point) for point in points.tolist()], fill=colour, width=style.line)


def _closed(outline: np.ndarray) -> list[tuple[float, ...]]:
    """Return the points of a closed line as Pillow draws them, which counts from the middle of the first pixel."""
    return [tuple(point) for point in (np.concatenate([outline, outline[:1]]) - 0.5).tolist()]


def draw_tag(
    draw: ImageDraw.ImageDraw,
    text: str,
    place: tuple[int, int],
    colour: Colour,
    style: Style,
    size: tuple[int, int],
) -> None:
    """Text on a plate, moved into the picture where it would stick out."""
    width = tag_width(draw, text, style)
    left = max(min(place[0], size[0] - width), 0)
    top = max(min(place[1], size[1] - style.tag_height), 0)
    draw.rectangle((left, top, left + width - 1, top + style.tag_height - 1), fill=colour)
    ink = DARK if _lightness(colour) > 110 else WHITE
    middle = top + style.tag_height // 2
    draw.text((left + style.padding, middle), text, fill=ink, font=style.font, anchor="lm")


def tag_width(draw: ImageDraw.ImageDraw, text: str, style: Style) -> int:
    """Pixels of the plate of a text."""
    return round(draw.textlength(text, font=style.font)) + 2 * style.padding


def _lightness(colour: Colour) -> float:
    """Rec. 601 luma, 0 to 255."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


@lru_cache(maxsize=32)
def _font(size: int, labels: tuple[str, ...]) -> ImageFont.FreeTypeFont:
    """Pillow's own font, unless one of the system's can show more of the labels."""
    fonts = _fonts(size)
    best = next(fonts)
    shown = sum(has_glyphs(best, label) for label in labels)
    while shown < len(labels) and (font := next(fonts, None)):
        if (more := sum(has_glyphs(font, label) for label in labels)) > shown:
            best, shown = font, more
    return best


def _fonts(size: int) -> Iterator[ImageFont.FreeTypeFont]:
    own = ImageFont.load_default(size=size)
    if isinstance(own, ImageFont.FreeTypeFont):  # a Pillow without FreeType has a font of one size
        yield own
    for name in _SYSTEM_FONTS:
        with suppress(OSError):  # not on this system
            yield ImageFont.truetype(name, size)


def has_glyphs(font: ImageFont.FreeTypeFont, label: str) -> bool:
    """Whether a font can show every letter."""
    missing = font.getmask(_NO_CHARACTER)
    masks = (font.getmask(letter) for letter in set("".join(label.split())))
    return not any(mask.size == missing.size and bytes(mask) == bytes(missing) for mask in masks)
