"""Pictures of validation images: those that cost most to correct, as JPEGs inside the page, and overlays as files.

On the page boxes carry a number and one of five words; labels are text below the picture, where every script can be
displayed, searched and read by a screen reader.
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
from evaluation.drawing import WHITE, Colour, Style, draw_dashed_box, draw_solid_box, draw_tag, pixel_corners
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from evaluation.outcomes import ImageComparison, Outcome, compare_image, shown
from evaluation.overlay import draw_overlay
from runtime.detector import Detection
from runtime.image import decode
from runtime.manifest import Postprocess
from trainer.report.facts import RunFacts

# Together they stay below about 1.5 MB.
LIMIT = 8
LONGEST_SIDE = 720
QUALITY = 80
# Enough to judge by eye.
OVERLAYS = 40

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
        seconds: Of correcting it, without looking at boxes that are right.
        source: `data:` URI.
        remarks: What is wrong, in the order of the numbers in the picture.
        right: How many boxes are right.
    """

    name: str
    seconds: float
    source: str
    size: tuple[int, int]
    remarks: tuple[str, ...]
    right: int


@dataclass(frozen=True)
class _Mark:
    """A box to draw: its kind, whether it is a ground truth box, and a remark for the text."""

    kind: str
    box: np.ndarray
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
        canvas = Canvas.decode(truth.data(annotated))
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
    image = _draw(facts.truth.data(annotated), annotated.size, marks)
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
    """Return the boxes to draw, right ones first, so that wrong ones are drawn over them."""
    right, wrong = [], []
    for pair in outcome.pairs:
        detection, box = found[pair.detection], compared.boxes[pair.detection]
        loosely = f"overlap {pair.iou:.2f}"
        if not pair.same_label:
            should = f"{detection.label} should be {labels[annotated.class_ids[pair.gt]]}"
            wrong.append(_Mark("wrong label", box, f"{should}, and loose: {loosely}" if pair.loose else should))
        elif pair.loose:
            wrong.append(_Mark("loose", box, f"loose {detection.label}, {loosely}"))
        else:
            right.append(_Mark("right", box))
        if pair.loose:
            right.append(_Mark("loose", annotated.boxes[pair.gt], annotated=True))
    for row in outcome.false:
        wrong.append(_Mark("false", compared.boxes[row], f"false {found[row].label}, score {found[row].score:.2f}"))
    for row in outcome.missed:
        label = labels[annotated.class_ids[row]]
        wrong.append(_Mark("missed", annotated.boxes[row], f"missed {label}", annotated=True))
    return right + wrong


def _draw(data: bytes, size: tuple[int, int], marks: Sequence[_Mark]) -> Image.Image:
    scale = LONGEST_SIDE / max(size)  # small images become larger too, so that their lines and tags are sharp
    shape = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
    picture = decode(data, shape).pixels.resize(shape, Image.Resampling.LANCZOS)
    drawing, style = ImageDraw.Draw(picture), Style.fitting(shape, ())
    numbers = iter(range(1, len(marks) + 1))
    tags = []
    for mark in marks:
        box = pixel_corners(mark.box * np.repeat([np.divide(shape, size)], 2, axis=0).ravel())
        if mark.annotated:
            draw_dashed_box(drawing, box, style, COLOURS["missed"] if mark.kind == "missed" else WHITE)
        else:
            draw_solid_box(drawing, box, COLOURS[mark.kind], style)
        if mark.remark:
            tags.append((f"{next(numbers)} {mark.kind}", (box[0], box[1] - style.tag_height), COLOURS[mark.kind]))
    for (text, _, colour), place in zip(tags, _apart([place for _, place, _ in tags], style), strict=True):
        draw_tag(drawing, text, place, colour, style, shape)
    return picture


def _apart(places: Sequence[tuple[int, int]], style: Style) -> list[tuple[int, int]]:
    """Return positions of tags where those that would overlap are moved up or, at the top of the picture, down."""
    moved: list[tuple[int, int]] = []
    for x, above in places:
        wanted = max(above, 0)
        y, step = wanted, -style.tag_height
        while any(
            abs(x - other_x) < 6 * style.tag_height and abs(y - other_y) < style.tag_height
            for other_x, other_y in moved
        ):
            y += step
            if y < 0:
                y, step = wanted + style.tag_height, style.tag_height
        moved.append((x, y))
    return moved
