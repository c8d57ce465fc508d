"""Pictures of validation images: those that cost most to correct, as JPEGs inside the page, and overlays as files.

On the page what is wrong carries a number and one of five words, or the number alone where objects are crowded; labels
are text below the picture, where every script can be displayed, searched and read by a screen reader. What has a mask
is drawn as its outline.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from evaluation.canvas import Canvas
from evaluation.corrections import Corrections
from evaluation.drawing import (
    WHITE,
    Colour,
    Style,
    draw_dashed_shape,
    draw_solid_shape,
    draw_tag,
    pixel_corners,
    tag_width,
)
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from evaluation.outcomes import ImageComparison, Outcome, compare_image, shown
from evaluation.overlay import draw_overlay
from runtime.detector import Detection
from runtime.manifest import Postprocess
from runtime.masks import InstanceMask
from trainer.report.facts import RunFacts

# Together they stay below about 1.5 MB.
LIMIT = 8
LONGEST_SIDE = 720
QUALITY = 80
# Enough to judge by eye.
OVERLAYS = 40
# Left, top and width of a tag.
_Plate = tuple[int, int, int]

# Of Okabe and Ito's palette, see `evaluation.overlay`.
COLOURS: dict[str, Colour] = {
    "right": (0, 158, 115),
    "loose": (240, 228, 66),
    "wrong label": (86, 180, 233),
    "false": (213, 94, 0),
    "missed": (204, 121, 167),
}


@dataclass(frozen=True)
class CorrectionPicture:
    """One image of the page.

    Attributes:
        seconds: Of correcting it, without looking at objects that are right.
        source: `data:` URI.
        remarks: What is wrong, in the order of the numbers in the picture.
        right: How many detections are right.
    """

    name: str
    seconds: float
    source: str
    size: tuple[int, int]
    remarks: tuple[str, ...]
    right: int


@dataclass(frozen=True)
class _Mark:
    """What to draw: its kind, box and mask, whether it is ground truth, and a remark for the text."""

    kind: str
    box: np.ndarray
    mask: InstanceMask | None
    remark: str = ""
    annotated: bool = False


def worst(facts: RunFacts, by_image: Sequence[Corrections]) -> list[CorrectionPicture]:
    """Return pictures of the images that need most corrections, the most expensive first."""
    costs = [item.seconds(facts.costs) - facts.costs.check * item.shown for item in by_image]
    order = sorted(range(len(costs)), key=lambda index: -costs[index])[:LIMIT]
    return [_picture(facts, index, costs[index], by_image[index].right) for index in order if costs[index] > 0]


def write_overlays(
    truth: GroundTruth, detections: Sequence[Sequence[Detection]], postprocess: Postprocess, folder: Path
) -> None:
    """Draw ground truth and the detections that a function would show on the first validation images."""
    folder.mkdir(exist_ok=True)
    for annotated, found in list(zip(truth.images, detections, strict=True))[:OVERLAYS]:
        canvas = Canvas.decode(truth.data(annotated)).enlarged()
        shown_detections = list(compress(found, shown(found, postprocess)))
        labels = [truth.labels[class_id] for class_id in annotated.class_ids]
        ground_truth = (canvas.boxes(annotated.boxes), labels)
        masks = [canvas.mask(mask) for mask in annotated.masks]
        picture = draw_overlay(canvas.pixels, canvas.detections(shown_detections), ground_truth, masks)
        picture.save(folder / f"{Path(annotated.name).stem}.jpg", quality=90)


def _picture(facts: RunFacts, index: int, seconds: float, right: int) -> CorrectionPicture:
    annotated, found = facts.truth.images[index], facts.detections[index]
    compared = compare_image(annotated, found)
    outcome = compared.outcome(shown(found, facts.manifest.postprocess))
    marks = _marks(outcome, compared, annotated, found, facts.truth.labels)
    image = _draw(Canvas.decode(facts.truth.data(annotated)), marks)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    source = f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
    remarks = tuple(mark.remark for mark in marks if mark.remark)
    return CorrectionPicture(annotated.name, seconds, source, image.size, remarks, right)


def _marks(
    outcome: Outcome,
    compared: ImageComparison,
    annotated: AnnotatedImage,
    found: Sequence[Detection],
    labels: Sequence[str],
) -> list[_Mark]:
    """Return what to draw, right ones first, so that wrong ones are drawn over them."""
    gt_masks = annotated.masks or (None,) * len(annotated.boxes)

    def detected(row: int, kind: str, remark: str = "") -> _Mark:
        return _Mark(kind, compared.boxes[row], found[row].mask, remark)

    def drawn(row: int, kind: str, remark: str = "") -> _Mark:
        return _Mark(kind, annotated.boxes[row], gt_masks[row], remark, annotated=True)

    right, wrong = [], []
    for pair in outcome.pairs:
        label, loosely = found[pair.detection].label, f"overlap {pair.iou:.2f}"
        if not pair.same_label:
            should = f"{label} should be {labels[annotated.class_ids[pair.gt]]}"
            remark = f"{should}, and loose: {loosely}" if pair.loose else should
            wrong.append(detected(pair.detection, "wrong label", remark))
        elif pair.loose:
            wrong.append(detected(pair.detection, "loose", f"loose {label}, {loosely}"))
        else:
            right.append(detected(pair.detection, "right"))
        if pair.loose:
            right.append(drawn(pair.gt, "loose"))
    for row in outcome.false:
        wrong.append(detected(row, "false", f"false {found[row].label}, score {found[row].score:.2f}"))
    for row in outcome.missed:
        wrong.append(drawn(row, "missed", f"missed {labels[annotated.class_ids[row]]}"))
    return right + wrong


def _draw(canvas: Canvas, marks: Sequence[_Mark]) -> Image.Image:
    # Small images become larger too, so that their lines and tags are sharp.
    width, height = canvas.pixels.size
    scale = LONGEST_SIDE / max(width, height)
    canvas = canvas.resized((max(round(width * scale), 1), max(round(height * scale), 1)))
    picture, size = canvas.pixels, canvas.pixels.size
    drawing, style = ImageDraw.Draw(picture), Style.fitting(size, ())
    numbers = iter(range(1, len(marks) + 1))
    tags = []
    for mark in marks:
        box, mask = pixel_corners(canvas.boxes(mark.box)), canvas.mask(mark.mask)
        if mark.annotated:
            draw_dashed_shape(drawing, box, mask, style, COLOURS["missed"] if mark.kind == "missed" else WHITE)
        else:
            draw_solid_shape(drawing, box, mask, COLOURS[mark.kind], style)
        if mark.remark:
            tags.append((next(numbers), mark.kind, (box[0], box[1] - style.tag_height)))
    texts = [f"{number} {kind}" for number, kind, _ in tags]
    plates = [_plate(drawing, text, place, style, size) for text, (_, _, place) in zip(texts, tags, strict=True)]
    if (moved := _apart(plates, style)) != plates:  # not all have room where they belong: without words more have
        texts = [str(number) for number, _, _ in tags]
        plates = [_plate(drawing, text, place, style, size) for text, (_, _, place) in zip(texts, tags, strict=True)]
        moved = _apart(plates, style)
    for text, (_, kind, _), (x, y, _) in zip(texts, tags, moved, strict=True):
        draw_tag(drawing, text, (x, y), COLOURS[kind], style, size)
    return picture


def _plate(draw: ImageDraw.ImageDraw, text: str, place: tuple[int, int], style: Style, size: tuple[int, int]) -> _Plate:
    """Return where a tag would lie in a picture without others."""
    width = tag_width(draw, text, style)
    return max(min(place[0], size[0] - width), 0), max(place[1], 0), width


def _apart(plates: Sequence[_Plate], style: Style) -> list[_Plate]:
    """Return tags of which those that would overlap are moved up or, at the top of the picture, down."""
    moved: list[_Plate] = []
    for x, wanted, width in plates:
        y, step = wanted, -style.tag_height
        while any(
            x < other_x + other_width and other_x < x + width and abs(y - other_y) < style.tag_height
            for other_x, other_y, other_width in moved
        ):
            y += step
            if y < 0:
                y, step = wanted + style.tag_height, style.tag_height
        moved.append((x, y, width))
    return moved
