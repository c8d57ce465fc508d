"""The images that paths on the command line name, what a function detects in them, and the text that shows it."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from preannotate.core.errors import PreannotateError
from preannotate.core.text import columns, plural
from preannotate.formats.image_kinds import IMAGE_EXTENSIONS
from runtime.detector import Detection


class InferenceError(PreannotateError, ValueError):
    """No images, no function to ask about them, or a function that does not answer."""


@dataclass(frozen=True)
class ImageFile:
    """A file and its name in results: its path in the given folder, with forward slashes."""

    path: Path
    name: str


def find_images(given: Sequence[Path], *, leave_out: Path | None = None) -> list[ImageFile]:
    """List the images, each once, folders sorted by name.

    Hidden files and folders are left out (macOS puts a `._` file beside each image), and links to folders are not
    followed. Pipes, sockets and devices that are called as images are listed, so that somebody hears of them: whoever
    reads an image does so with `runtime.image_file`, which refuses them.

    Args:
        given: Files and folders.
        leave_out: A folder inside one of them that is left out, such as the overlays of an earlier run.

    Raises:
        InferenceError: A path does not exist, there is no image, or two images have the same name.
    """
    found: dict[str, ImageFile] = {}
    for path in given:
        if path.is_dir():
            images = _in_folder(path, leave_out)
        elif path.exists():
            images = [ImageFile(path, path.name)]
        else:
            raise InferenceError(f"{path}: no such file or folder; expected images or folders of images.")
        for image in images:
            found.setdefault(os.path.realpath(image.path), image)  # Path.resolve() raises for links in a circle
    if not found:
        places = ", ".join(map(str, given)) or "no path given"
        raise InferenceError(f"{places}: no images; expected files such as {', '.join(sorted(IMAGE_EXTENSIONS))}.")
    _check_unique_names(list(found.values()))
    return list(found.values())


def _in_folder(folder: Path, leave_out: Path | None) -> list[ImageFile]:
    inside = leave_out.resolve() if leave_out is not None and folder.resolve() in leave_out.resolve().parents else None
    images = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [
            name for name in folders if not name.startswith(".") and (Path(parent) / name).resolve() != inside
        ]
        paths = [Path(parent) / name for name in files if not name.startswith(".")]
        images += [path for path in paths if path.suffix.lower() in IMAGE_EXTENSIONS]
    names = sorted((path.relative_to(folder).as_posix(), path) for path in images)
    return [ImageFile(path, name) for name, path in names]


def _check_unique_names(images: Sequence[ImageFile]) -> None:
    by_name: dict[str, ImageFile] = {}
    for image in images:
        other = by_name.setdefault(image.name, image)
        if other is not image:
            raise InferenceError(
                f"{image.path}: has the name {image.name!r}, as {other.path} has; expected different names. "
                f"Give the folder that holds both."
            )


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
    header = ("IMAGE", "LABEL", "SCORE", "BOX (x1 y1 x2 y2)")
    read = [result for result in results if isinstance(result, ImageDetections)]
    objects = sum(len(result.detections) for result in read)
    unreadable = len(results) - len(read)
    more = f" {unreadable} could not be read." if unreadable else ""
    table = columns([header, *(row for result in results for row in _rows(result))])
    return f"{table}\n\n{plural(len(read), 'image')}, {plural(objects, 'object')}.{more}"


def _entry(result: ImageDetections | UnreadableImage) -> dict[str, object]:
    if isinstance(result, UnreadableImage):
        return {"image": result.name, "error": result.error}
    detections = [
        {
            "label": detection.label,
            "score": round(detection.score, 6),
            "box": [round(value, 2) for value in detection.box],
            **({} if detection.mask is None else {"mask": detection.mask.to_json()}),
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
