"""Which images are meant: files as they are named, folders with all that lies in them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from preannotate.formats.images import IMAGE_EXTENSIONS
from preannotate.inference.errors import InferenceError


@dataclass(frozen=True)
class ImageFile:
    """A file and the name it goes by: its path in the folder that was given, with forward slashes."""

    path: Path
    name: str


def find_images(given: Sequence[Path], *, leave_out: Path | None = None) -> list[ImageFile]:
    """List the images, each once, folders sorted by name.

    Hidden files and folders are passed over (macOS puts a `._` twin beside each image), and linked folders
    are not followed.

    Args:
        given: Files and folders.
        leave_out: A folder whose files do not count, as long as it lies inside a given one: the overlays of an
            earlier run.

    Raises:
        InferenceError: A path does not exist, there is no image, or two images go by one name.
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
        raise InferenceError(f"{places}: no image; expected files such as {', '.join(sorted(IMAGE_EXTENSIONS))}.")
    _refuse_twins(list(found.values()))
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


def _refuse_twins(images: Sequence[ImageFile]) -> None:
    by_name: dict[str, ImageFile] = {}
    for image in images:
        twin = by_name.setdefault(image.name, image)
        if twin is not image:
            raise InferenceError(
                f"{image.path}: goes by the name {image.name!r}, and so does {twin.path}; expected different names. "
                f"Give the folder that holds both."
            )
