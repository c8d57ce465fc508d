"""What a function says about an image, and how it is shown as text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.detector import Detection


@dataclass(frozen=True)
class ImageDetections:
    """An image that the function read.

    Attributes:
        name: Of the image: its path in the folder that was given.
        size: (width, height) after EXIF rotation.
        detections: Best first, in image pixels.
    """

    name: str
    size: tuple[int, int]
    detections: tuple[Detection, ...]


@dataclass(frozen=True)
class UnreadableImage:
    """An image that could not be read, and why in one sentence."""

    name: str
    error: str


def as_json(function: str, labels: Sequence[str], results: Sequence[ImageDetections | UnreadableImage]) -> str:
    """All results as one JSON object; plain ASCII, so that every terminal and pipe carries it."""
    content = {"function": function, "labels": list(labels), "images": [_entry(result) for result in results]}
    return json.dumps(content, indent=1, allow_nan=False)


def as_table(results: Sequence[ImageDetections | UnreadableImage]) -> str:
    """All results as columns, with a line that sums them up."""
    rows = [("IMAGE", "LABEL", "SCORE", "BOX (x1 y1 x2 y2)")]
    for result in results:
        rows += _rows(result)
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", _summary(results)])


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
    answers = [result for result in results if isinstance(result, ImageDetections)]
    found = sum(len(answer.detections) for answer in answers)
    summary = f"{len(answers)} images, {found} objects."
    failed = len(results) - len(answers)
    return f"{summary} {failed} could not be read." if failed else summary
