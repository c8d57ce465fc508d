"""Boxes and outlines on images for people to look at: detections in solid lines, ground truth in dashed ones.

What has a mask is drawn as its outline, without its box. Where objects are crowded, tags are left out: the legend has
the colours of the classes.

Colours are those of Okabe and Ito, which colour-blind people can tell apart; a class keeps its colour in
every picture, because it goes by the class id. Ground truth is white, and has no tag where a detection of its label is
on it.
"""

from collections.abc import Sequence
from itertools import compress

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evaluation.drawing import (
    WHITE,
    Colour,
    Style,
    draw_dashed_box,
    draw_dashed_shape,
    draw_solid_shape,
    has_glyphs,
    pixel_corners,
)
from evaluation.outcomes import SAME_OBJECT_FROM
from evaluation.tags import Tag, draw_tags
from preannotate.core.text import plural
from runtime.boxes import iou
from runtime.detector import Detection
from runtime.masks import InstanceMask

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
GROUND_TRUTH = WHITE
_LEGEND_BACKGROUND: Colour = (32, 32, 32)


def class_colour(class_id: int) -> Colour:
    """The colour of a class; from the ninth class on they repeat."""
    return PALETTE[class_id % len(PALETTE)]


def draw_overlay(
    image: Image.Image,
    detections: Sequence[Detection],
    ground_truth: tuple[np.ndarray, Sequence[str]] | None = None,
    gt_masks: Sequence[InstanceMask | None] = (),
) -> Image.Image:
    """Draw detections, and ground truth if there is any, with a legend below the image.

    Args:
        image: Any mode; stays as it is.
        detections: In pixels of `image`.
        ground_truth: Boxes (G, 4), xyxy, in pixels of `image`, and their G labels; None if it is not annotated.
        gt_masks: Of the ground truth, one for each box; empty for none.

    Returns:
        RGB, as wide as `image` and higher by the legend: pixels of the image keep their places. A label
        whose script no font has is shown as "#" and its class id, or as "?" if it was only annotated.
    """
    gt_boxes, gt_labels = ground_truth or (np.zeros((0, 4), np.float32), [])
    class_ids = {detection.label: detection.class_id for detection in detections}
    style = Style.fitting(image.size, tuple(sorted({*class_ids, *gt_labels})))
    names = {label: _shown(label, class_ids.get(label), style.font) for label in (*class_ids, *gt_labels)}
    picture = image.convert("RGB")
    draw = ImageDraw.Draw(picture)
    annotated = [(pixel_corners(box), names[label]) for box, label in zip(gt_boxes, gt_labels, strict=True)]
    for (box, _), mask in zip(annotated, gt_masks or [None] * len(annotated), strict=True):
        draw_dashed_shape(draw, box, mask, style)
    detected = [
        (found, pixel_corners(found.box), class_colour(found.class_id))
        for found in sorted(detections, key=lambda found: -found.score)
    ]
    for found, box, colour in reversed(detected):  # the best on top
        draw_solid_shape(draw, box, found.mask, colour, style)
    tags = [Tag(f"{names[found.label]} {found.score:.2f}", box, colour) for found, box, colour in detected]
    unlike = _without_like_detection(gt_boxes, gt_labels, detections)
    tags += [Tag(name, box, GROUND_TRUTH, below=True) for box, name in compress(annotated, unlike)]
    objects = [*(box for _, box, _ in detected), *(box for box, _ in annotated)]
    left_out = draw_tags(draw, tags, objects, style, picture.size)
    entries = [("solid", f"{len(detections)} detected", GROUND_TRUTH)]
    if ground_truth is not None:
        entries.append(("dashed", f"{len(annotated)} annotated", GROUND_TRUTH))
    by_class = sorted(class_ids.items(), key=lambda item: item[1])
    entries += [("filled", names[label], class_colour(class_id)) for label, class_id in by_class]
    entries += _about_tags(left_out)
    return _with_legend(picture, entries, style)


def draw_annotations(
    image: Image.Image,
    boxes: np.ndarray,
    class_ids: Sequence[int],
    labels: Sequence[str],
    ignored: np.ndarray,
    masks: Sequence[InstanceMask | None] = (),
) -> Image.Image:
    """Draw the boxes that people drew, and the regions that count neither as objects nor as background.

    Args:
        image: Any mode; stays as it is.
        boxes: (G, 4), xyxy, in pixels of `image`.
        class_ids: G indices into `labels`.
        labels: Names of the classes.
        ignored: (I, 4), as `boxes`.
        masks: One for each box; empty for none.

    Returns:
        RGB, as wide as `image` and higher by the legend.
    """
    shown_ids = sorted(set(class_ids))
    style = Style.fitting(image.size, tuple(labels[class_id] for class_id in shown_ids))
    names = {class_id: _shown(labels[class_id], class_id, style.font) for class_id in shown_ids}
    picture = image.convert("RGB")
    draw = ImageDraw.Draw(picture)
    for box in ignored:
        draw_dashed_box(draw, pixel_corners(box), style)
    corners = list(map(pixel_corners, boxes))
    for box, class_id, mask in zip(corners, class_ids, masks or [None] * len(corners), strict=True):
        draw_solid_shape(draw, box, mask, class_colour(class_id), style)
    tags = [Tag(names[k], box, class_colour(k)) for box, k in zip(corners, class_ids, strict=True)]
    left_out = draw_tags(draw, tags, corners, style, picture.size)
    entries = [("solid", f"{len(boxes)} annotated", GROUND_TRUTH)]
    if len(ignored):
        entries.append(("dashed", f"{len(ignored)} ignored", GROUND_TRUTH))
    entries += [("filled", names[class_id], class_colour(class_id)) for class_id in shown_ids]
    entries += _about_tags(left_out)
    return _with_legend(picture, entries, style)


def _without_like_detection(
    gt_boxes: np.ndarray, gt_labels: Sequence[str], detections: Sequence[Detection]
) -> list[bool]:
    """Tell which annotated objects have no detection of their label on them, whose tag would say the same."""
    boxes, other = (np.array(part, np.float32).reshape(-1, 4) for part in (gt_boxes, [d.box for d in detections]))
    overlapping = iou(boxes, other) >= np.float32(SAME_OBJECT_FROM)
    same = np.array(gt_labels, object)[:, None] == np.array([d.label for d in detections], object)[None]
    return (~(overlapping & same).any(axis=1)).tolist()


def _about_tags(left_out: int) -> list[tuple[str, str, Colour]]:
    return [("text", f"{plural(left_out, 'tag')} left out, for lack of room", GROUND_TRUTH)] if left_out else []


def _shown(label: str, class_id: int | None, font: ImageFont.FreeTypeFont) -> str:
    if label.strip() and has_glyphs(font, label):
        return " ".join(label.split())
    return "?" if class_id is None else f"#{class_id}"


def _with_legend(picture: Image.Image, entries: Sequence[tuple[str, str, Colour]], style: Style) -> Image.Image:
    """Return the picture with a legend of colours and dashes below it."""
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
    draw = ImageDraw.Draw(result)
    for (kind, text, colour), (x, y) in zip(entries, places, strict=True):
        box = (x, y + style.padding, x + swatch - 1, y + style.tag_height - style.padding - 1)
        middle = y + style.tag_height // 2
        if kind == "text":
            draw.text((x, middle), text, fill=GROUND_TRUTH, font=style.font, anchor="lm")
            continue
        if kind == "filled":
            draw.rectangle(box, fill=colour)
        elif kind == "dashed":
            draw_dashed_box(draw, box, style)
        else:
            draw.rectangle(box, outline=colour, width=style.line)
        draw.text((x + swatch + style.padding, middle), text, fill=GROUND_TRUTH, font=style.font, anchor="lm")
    return result
