"""What a function detects in images, and the text that shows it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from preannotate.core.text import columns, plural
from runtime.detector import Detection


@dataclass(frozen=True)
class ImageDetections:
    """The detections in one image.

    Attributes:
        name: As in `ImageFile`.
        size: (width, height) after EXIF rotation.
        detections: Highest score first; boxes in image pixels.
    """

    name: str
    size: tuple[int, int]
    detections: tuple[Detection, ...]


@dataclass(frozen=True)
class UnreadableImage:
    """An image that could not be read; `error` is a sentence."""

    name: str
    error: str


def as_json(function: str, labels: Sequence[str], results: Sequence[ImageDetections | UnreadableImage]) -> str:
    """Return all results as one JSON object in plain ASCII, which every terminal and pipe carries."""
    content = {"function": function, "labels": list(labels), "images": [_entry(result) for result in results]}
    return json.dumps(content, indent=1, allow_nan=False)


def as_table(results: Sequence[ImageDetections | UnreadableImage]) -> str:
    """Return all results as columns, with a line that sums them up."""
    rows = [("IMAGE", "LABEL", "SCORE", "BOX (x1 y1 x2 y2)")]
    for result in results:
        rows += _rows(result)
    return f"{columns(rows)}\n\n{_summary(results)}"


def _entry(result: ImageDetections | UnreadableImage) -> dict[str, object]:
    if isinstance(result, UnreadableImage):
        return {"image": result.name, "error": result.error}
    detections = [
        {
            "label": detection.label,
            "score": round(detection.score, 6),
            "box": [round(value, 2) for value in detection.box],
        }
        for detection in result.detections
    ]
    return {"image": result.name, "size": list(result.size), "detections": detections}


def _rows(result: ImageDetections | UnreadableImage) -> list[tuple[str, str, str, str]]:
    if isinstance(result, UnreadableImage):
        return [(result.name, "-", "-", f"not read: {result.error}")]
    if not result.detections:
        return [(result.name, "-", "-", "nothing found")]
    return [
        (result.name, detection.label, f"{detection.score:.2f}", " ".join(f"{v:.0f}" for v in detection.box))
        for detection in result.detections
    ]


def _summary(results: Sequence[ImageDetections | UnreadableImage]) -> str:
    read = [result for result in results if isinstance(result, ImageDetections)]
    objects = sum(len(result.detections) for result in read)
    summary = f"{plural(len(read), 'image')}, {plural(objects, 'object')}."
    unreadable = len(results) - len(read)
    return f"{summary} {unreadable} could not be read." if unreadable else summary
