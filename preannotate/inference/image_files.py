"""The images that paths on the command line mean: files, and all image files in folders."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from preannotate.formats.images import IMAGE_EXTENSIONS
from preannotate.inference.errors import InferenceError


@dataclass(frozen=True)
class ImageFile:
    """A file and its name in results: its path in the given folder, with forward slashes."""

    path: Path
    name: str


def find_images(given: Sequence[Path], *, leave_out: Path | None = None) -> list[ImageFile]:
    """List the images, each once, folders sorted by name.

    Hidden files and folders are left out (macOS puts a `._` file beside each image), and links to folders are not
    followed.

    Args:
        given: Files and folders.
        leave_out: A folder inside a given one that is left out, such as the overlays of an earlier run.

    Raises:
        InferenceError: A path does not exist, there is no image, or two images have the same name.
    """
    found: dict[Path, ImageFile] = {}
    for path in given:
        if path.is_dir():
            images = _in_folder(path, leave_out)
        elif path.exists():
            images = [ImageFile(path, path.name)]
        else:
            raise InferenceError(f"{path}: no such file or folder; expected images or folders of images.")
        for image in images:
            found.setdefault(image.path.resolve(), image)
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
