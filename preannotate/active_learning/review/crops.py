"""Crops of frames around disagreements, for a page that needs nothing else.

The boxes are not painted into the picture: the page draws them over it, sharp at any size.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from preannotate.active_learning.review.disagreements import Disagreement
from preannotate.active_learning.review.frames import Box
from preannotate.cvat.frames import images_in_batches
from preannotate.cvat.server import Server
from runtime.errors import RequestError
from runtime.image import decode

# Twice as wide as a card of the page is on a phone: sharp, and some 30 KB.
WIDEST, HIGHEST = 640, 480
# Around the boxes, as part of their longer side, and in pixels: what is around tells what it is.
_MARGIN, _LEAST_MARGIN = 0.4, 30
_QUALITY = 80


@dataclass(frozen=True)
class Crop:
    """A crop.

    Attributes:
        data: As a data URI.
        size: (width, height) of the crop in pixels of the page.
        people: Boxes of people in these pixels.
        model: Box of the model; None if it sees nothing.
    """

    data: str
    size: tuple[int, int]
    people: tuple[Box, ...]
    model: Box | None


def crop_disagreements(server: Server, task: int, disagreements: Sequence[Disagreement]) -> list[Crop | None]:
    """A crop for each disagreement; None for an image that cannot be read. Each frame is downloaded once."""
    frames = sorted({one.frame for one in disagreements})
    of_frame: dict[int, list[int]] = {frame: [] for frame in frames}
    for place, one in enumerate(disagreements):
        of_frame[one.frame].append(place)
    made: list[Crop | None] = [None] * len(disagreements)
    for _, images in images_in_batches(server, task, {None: frames}):
        for frame, path in images.items():
            for place, picture in _of_image(path, {place: disagreements[place] for place in of_frame[frame]}).items():
                made[place] = picture
    return made


def _of_image(path: Path, disagreements: Mapping[int, Disagreement]) -> dict[int, Crop]:
    try:
        image = decode(path.read_bytes()).pixels
    except RequestError:
        return {}
    return {place: crop_image(image, one) for place, one in disagreements.items()}


def crop_image(image: Image.Image, one: Disagreement) -> Crop:
    """The part of an image around all boxes of a disagreement."""
    x1, y1, x2, y2 = one.around
    margin = max(_MARGIN * max(x2 - x1, y2 - y1), _LEAST_MARGIN)
    left, top = max(0, int(x1 - margin)), max(0, int(y1 - margin))
    right = min(image.width, int(x2 + margin) + 1)
    bottom = min(image.height, int(y2 + margin) + 1)
    scale = min(WIDEST / (right - left), HIGHEST / (bottom - top), 4.0)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS, box=(left, top, right, bottom))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY, optimize=True)

    def placed(box: Box) -> Box:
        return tuple(round((value - (left, top)[axis % 2]) * scale, 1) for axis, value in enumerate(box))

    data = f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
    return Crop(data, size, tuple(map(placed, one.people)), placed(one.model) if one.model else None)
