"""Boxes on images for people to look at: detections in solid lines, ground truth in dashed ones.

Colours are those of Okabe and Ito, which colour-blind people can tell apart; a class keeps its colour in
every picture, because it goes by the class id. Ground truth is white.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from runtime.detector import Detection

Colour = tuple[int, int, int]

# Okabe and Ito, "Color Universal Design", 2008, without black; the last is light grey.
PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (200, 200, 200),
)
GROUND_TRUTH: Colour = (255, 255, 255)
_DARK: Colour = (20, 20, 20)
_LEGEND_BACKGROUND: Colour = (32, 32, 32)
# No font has a glyph for this: it shows what a missing one looks like.
_NO_CHARACTER = "\uffff"
# Pillow's own font has the letters of English only; Pillow finds these by name where a system has them.
_SYSTEM_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "msyh.ttc")


def class_colour(class_id: int) -> Colour:
    """The colour of a class; from the ninth class on they repeat."""
    return PALETTE[class_id % len(PALETTE)]


def draw_overlay(
    image: Image.Image,
    detections: Sequence[Detection],
    ground_truth: tuple[np.ndarray, Sequence[str]] | None = None,
) -> Image.Image:
    """Draw detections, and ground truth if there is any, with a legend below the image.

    Args:
        image: Any mode; stays as it is.
        detections: In pixels of `image`.
        ground_truth: Boxes (G, 4), xyxy, in pixels of `image`, and their G labels; None if nobody annotated it.

    Returns:
        RGB, as wide as `image` and higher by the legend: pixels of the image keep their places. A label
        whose script no font has is shown as "#" and its class id, or as "?" if it was only annotated.
    """
    gt_boxes, gt_labels = ([], []) if ground_truth is None else ground_truth
    class_ids = {detection.label: detection.class_id for detection in detections}
    style = _Style.fitting(image.size, tuple(sorted({*class_ids, *gt_labels})))
    names = {label: _shown(label, class_ids.get(label), style.font) for label in (*class_ids, *gt_labels)}
    picture = image.convert("RGB")
    pen = ImageDraw.Draw(picture)
    annotated = [(_corners(box), names[label]) for box, label in zip(gt_boxes, gt_labels, strict=True)]
    for box, _ in annotated:
        _dashed(pen, box, style)
    ordered = sorted(detections, key=lambda detection: detection.score)  # the best on top
    for detection in ordered:
        _solid(pen, _corners(detection.box), class_colour(detection.class_id), style)
    for (x1, _, _, y2), name in annotated:
        _tag(pen, name, (x1, y2), GROUND_TRUTH, style, picture.size)
    for detection in ordered:
        x1, y1, _, _ = _corners(detection.box)
        text = f"{names[detection.label]} {detection.score:.2f}"
        _tag(pen, text, (x1, y1 - style.tag_height), class_colour(detection.class_id), style, picture.size)
    entries = [("solid", f"{len(detections)} detected", GROUND_TRUTH)]
    if ground_truth is not None:
        entries.append(("dashed", f"{len(annotated)} annotated", GROUND_TRUTH))
    by_class = sorted(class_ids.items(), key=lambda item: item[1])
    entries += [("filled", names[label], class_colour(class_id)) for label, class_id in by_class]
    return _with_legend(picture, entries, style)


@dataclass(frozen=True)
class _Style:
    """Sizes in pixels that suit one image.

    Attributes:
        line: Width of a box's line.
        font: For all text.
        padding: Around text.
        tag_height: Of a line of text with its padding.
    """

    line: int
    font: ImageFont.FreeTypeFont
    padding: int
    tag_height: int

    @classmethod
    def fitting(cls, size: tuple[int, int], labels: tuple[str, ...]) -> "_Style":
        longest = max(size)
        text = max(round(longest / 46), 10)
        padding = max(text // 5, 2)
        return cls(max(round(longest / 260), 2), _font(text, labels), padding, round(text * 1.2) + 2 * padding)


@lru_cache(maxsize=32)
def _font(size: int, labels: tuple[str, ...]) -> ImageFont.FreeTypeFont:
    """Pillow's own font, unless one of the system's can show more of the labels."""
    best, most = None, -1
    for font in _fonts(size):
        shown = sum(_has_all(font, label) for label in labels)
        if shown > most:
            best, most = font, shown
        if shown == len(labels):
            break
    return best


def _fonts(size: int) -> Iterator[ImageFont.FreeTypeFont]:
    yield ImageFont.load_default(size=size)
    for name in _SYSTEM_FONTS:
        with suppress(OSError):  # not on this system
            yield ImageFont.truetype(name, size)


def _has_all(font: ImageFont.FreeTypeFont, label: str) -> bool:
    missing = font.getmask(_NO_CHARACTER)
    masks = (font.getmask(letter) for letter in set("".join(label.split())))
    return not any(mask.size == missing.size and bytes(mask) == bytes(missing) for mask in masks)


def _shown(label: str, class_id: int | None, font: ImageFont.FreeTypeFont) -> str:
    if label.strip() and _has_all(font, label):
        return " ".join(label.split())
    return "?" if class_id is None else f"#{class_id}"


def _corners(box: Sequence[float] | np.ndarray) -> tuple[int, int, int, int]:
    """Whole pixels; the last ones that the box covers, not those after them."""
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    return x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)


def _solid(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour, style: _Style) -> None:
    """A line of the class's colour between two thin dark ones, to be seen on any ground."""
    x1, y1, x2, y2 = box
    pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=_DARK)
    inner = style.line
    if x2 - x1 > 2 * inner and y2 - y1 > 2 * inner:
        pen.rectangle((x1 + inner, y1 + inner, x2 - inner, y2 - inner), outline=_DARK)
    pen.rectangle(box, outline=colour, width=style.line)


def _dashed(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], style: _Style) -> None:
    """White dashes on a dark line."""
    x1, y1, x2, y2 = box
    pen.rectangle(box, outline=_DARK, width=style.line)
    dash = style.line * 4
    for start in range(x1, x2 + 1, 2 * dash):
        end = min(start + dash - 1, x2)
        pen.rectangle((start, y1, end, min(y1 + style.line - 1, y2)), fill=GROUND_TRUTH)
        pen.rectangle((start, max(y2 - style.line + 1, y1), end, y2), fill=GROUND_TRUTH)
    for start in range(y1, y2 + 1, 2 * dash):
        end = min(start + dash - 1, y2)
        pen.rectangle((x1, start, min(x1 + style.line - 1, x2), end), fill=GROUND_TRUTH)
        pen.rectangle((max(x2 - style.line + 1, x1), start, x2, end), fill=GROUND_TRUTH)


def _tag(
    pen: ImageDraw.ImageDraw,
    text: str,
    place: tuple[int, int],
    colour: Colour,
    style: _Style,
    size: tuple[int, int],
) -> None:
    """Text on a plate, moved into the picture where it would stick out."""
    width = round(pen.textlength(text, font=style.font)) + 2 * style.padding
    left = max(min(place[0], size[0] - width), 0)
    top = max(min(place[1], size[1] - style.tag_height), 0)
    pen.rectangle((left, top, left + width - 1, top + style.tag_height - 1), fill=colour)
    ink = _DARK if _lightness(colour) > 110 else GROUND_TRUTH
    middle = top + style.tag_height // 2
    pen.text((left + style.padding, middle), text, fill=ink, font=style.font, anchor="lm")


def _lightness(colour: Colour) -> float:
    """Rec. 601 luma, 0 to 255."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _with_legend(picture: Image.Image, entries: Sequence[tuple[str, str, Colour]], style: _Style) -> Image.Image:
    """The picture with lines below it that say what colours and dashes mean.

    Args:
        picture: RGB.
        entries: Kind of swatch ("solid", "dashed" or "filled"), text and colour.
        style: Of the picture.
    """
    swatch, gap = style.tag_height, 3 * style.padding
    places, x, row = [], gap, 0
    for _, text, _ in entries:
        width = swatch + style.padding + round(style.font.getlength(text)) + 2 * gap
        if x > gap and x + width > picture.width:
            x, row = gap, row + 1
        places.append((x, picture.height + style.padding + row * style.tag_height))
        x += width
    height = picture.height + (row + 1) * style.tag_height + 2 * style.padding
    result = Image.new("RGB", (picture.width, height), _LEGEND_BACKGROUND)
    result.paste(picture)
    pen = ImageDraw.Draw(result)
    for (kind, text, colour), (x, y) in zip(entries, places, strict=True):
        box = (x, y + style.padding, x + swatch - 1, y + style.tag_height - style.padding - 1)
        if kind == "filled":
            pen.rectangle(box, fill=colour)
        elif kind == "dashed":
            _dashed(pen, box, style)
        else:
            pen.rectangle(box, outline=colour, width=style.line)
        middle = y + style.tag_height // 2
        pen.text((x + swatch + style.padding, middle), text, fill=GROUND_TRUTH, font=style.font, anchor="lm")
    return result
