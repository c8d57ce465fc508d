"""Crops of frames around disagreements, embedded in the page.

Boxes and outlines are not drawn into the image: the page draws them over it, sharp at any size.
"""

import base64
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from evaluation.canvas import Canvas
from preannotate.active_learning.review.disagreements import Disagreement
from preannotate.cvat.images import download_in_batches
from preannotate.cvat.server import Server
from preannotate.formats.records import Box
from runtime.errors import RequestError
from runtime.masks import InstanceMask
from runtime.polygons import outlines

# Twice the width of a card of the page on a phone: sharp, and some 30 KB.
MAX_WIDTH, MAX_HEIGHT = 640, 480
# Around the boxes, as a part of their longer side, and in pixels: the surroundings show what an object is.
_MARGIN, _MIN_MARGIN = 0.4, 30
_QUALITY = 80


@dataclass(frozen=True)
class Crop:
    """A part of an image as a JPEG in a data URI; boxes are xyxy in pixels of the crop, `size` is (width, height).

    `annotated_paths` and `model_path` are the outlines of masks as data of SVG paths, "" where there is only a box.
    """

    data: str
    size: tuple[int, int]
    annotated: tuple[Box, ...]
    model: Box | None
    annotated_paths: tuple[str, ...] = ()
    model_path: str = ""


def crop_disagreements(server: Server, task: int, disagreements: Sequence[Disagreement]) -> list[Crop | None]:
    """Return a crop for each disagreement, None for an unreadable image; each frame is downloaded once."""
    of_frame: dict[int, list[int]] = defaultdict(list)
    for index, one in enumerate(disagreements):
        of_frame[one.frame].append(index)
    crops: list[Crop | None] = [None] * len(disagreements)
    for _, images in download_in_batches(server, task, {None: sorted(of_frame)}):
        for frame, path in images.items():
            try:
                canvas = Canvas.decode(path.read_bytes())
            except RequestError:
                continue
            for index in of_frame[frame]:
                crops[index] = crop_image(canvas.pixels, _on_canvas(disagreements[index], canvas))
    return crops


def _on_canvas(disagreement: Disagreement, canvas: Canvas) -> Disagreement:
    def scaled(box: Box) -> Box:
        x1, y1, x2, y2 = (np.array(box) * canvas.scale).tolist()
        return x1, y1, x2, y2

    return replace(
        disagreement,
        annotated=tuple(map(scaled, disagreement.annotated)),
        model=scaled(disagreement.model) if disagreement.model else None,
        annotated_masks=tuple(map(canvas.mask, disagreement.annotated_masks)),
        model_mask=canvas.mask(disagreement.model_mask),
    )


def crop_image(image: Image.Image, disagreement: Disagreement) -> Crop:
    """Return the part of an image around all boxes of a disagreement."""
    x1, y1, x2, y2 = disagreement.around
    margin = max(_MARGIN * max(x2 - x1, y2 - y1), _MIN_MARGIN)
    left, top = max(0, int(x1 - margin)), max(0, int(y1 - margin))
    right = min(image.width, int(x2 + margin) + 1)
    bottom = min(image.height, int(y2 + margin) + 1)
    scale = min(MAX_WIDTH / (right - left), MAX_HEIGHT / (bottom - top), 4.0)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    resized = image.convert("RGB").resize(size, Image.Resampling.LANCZOS, box=(left, top, right, bottom))
    stream = io.BytesIO()
    resized.save(stream, "JPEG", quality=_QUALITY, optimize=True)

    def to_crop(box: Box) -> Box:
        x1, y1, x2, y2 = (round((value - (left, top)[axis % 2]) * scale, 1) for axis, value in enumerate(box))
        return x1, y1, x2, y2

    def path(mask: InstanceMask | None) -> str:
        return "" if mask is None else _path([(line - (left, top)) * scale for line in outlines(mask)])

    data = f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
    model = to_crop(disagreement.model) if disagreement.model else None
    paths = tuple(map(path, disagreement.annotated_masks or (None,) * len(disagreement.annotated)))
    boxes = tuple(map(to_crop, disagreement.annotated))
    return Crop(data, size, boxes, model, paths, path(disagreement.model_mask))


def _path(lines: Sequence[np.ndarray]) -> str:
    """Return closed lines (P, 2) as an SVG path, in whole pixels of the crop: an outline has thousands of points."""
    parts = []
    for line in lines:
        points = line.round().astype(int)
        points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
        # Of a straight run of pixels the ends are enough.
        way, before = np.roll(points, -1, axis=0) - points, points - np.roll(points, 1, axis=0)
        points = points[way[:, 0] * before[:, 1] != way[:, 1] * before[:, 0]]
        if len(points) > 2:
            parts.append("M" + "L".join(f"{x} {y}" for x, y in points.tolist()) + "Z")
    return "".join(parts)
