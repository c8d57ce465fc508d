"""Find the image file that an annotation means.

Names in annotation files come with and without folders and extensions, in another case, with `data/`
in front, composed or decomposed Unicode. Only files that were found by walking the folder are ever
returned, so that a name like `../../secret.jpg` finds nothing.
"""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TypedDict

IMAGE_EXTENSIONS = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif", ".jp2", ".ppm"]
)
# CVAT's name of a video frame; "_1" is added where two tasks of a project collide.
_VIDEO_FRAME = re.compile(r"frame_(\d{6,})(?:_\d+)?$")


def without_extension(name: str) -> str:
    """Return the name without an image extension; other dots belong to the name."""
    return name[: -len(suffix)] if (suffix := PurePosixPath(name).suffix).lower() in IMAGE_EXTENSIONS else name


def video_frame(name: str) -> int | None:
    """Return the number in CVAT's name of a video frame (`frame_000012`, with or without extension), else None."""
    match = _VIDEO_FRAME.match(without_extension(PurePosixPath(name).name))
    return int(match[1]) if match else None


class VideoPosition(TypedDict):
    """`Frame.sequence` and `Frame.frame`; None twice for an image that is no video frame."""

    sequence: str | None
    frame: int | None


def video_position(name: str, part: str = "") -> VideoPosition:
    """Return where the image called `name` lies in a video.

    `part` is the subset or task of the frame: equal names in two parts belong to two videos.
    """
    number = video_frame(name)
    return {"sequence": None if number is None else f"{part}/{PurePosixPath(name).parent}", "frame": number}


class ImageIndex:
    """The image files of a folder, found by name.

    Attributes:
        paths: Path relative to `folder`, with "/", to the file, sorted.
    """

    def __init__(self, folder: Path, *, leaving_out: tuple[str, ...] = ()) -> None:
        """Walk `folder`; `leaving_out` names folders directly inside that hold no photographs."""
        self.folder = folder
        self.paths: dict[str, Path] = {}
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for path in sorted(_walk(folder)):
            relative = path.relative_to(folder)
            if relative.parts[0] in leaving_out or relative.parts[0] == "__MACOSX" or path.name.startswith("._"):
                continue
            if path.suffix.lower() in IMAGE_EXTENSIONS and path.is_file():
                self.paths[relative.as_posix()] = path
                self._by_stem[_key(relative.name)].append(relative.as_posix())

    def __bool__(self) -> bool:
        return bool(self.paths)

    def find(self, name: str, *, roots: tuple[str, ...] = ("",)) -> Path | None:
        """Return the file called `name`.

        Args:
            name: As in the annotation file; folders parted by slashes or backslashes.
            roots: Folders below the index's folder in which the name is looked up first.

        Returns:
            The file at one of the roots; else the one whose trailing path agrees best; None if there is
            none or several agree equally well.
        """
        name = name.replace("\\", "/")
        for root in roots:
            if path := self.paths.get(str(PurePosixPath(root) / name)):
                return path
        candidates = self._by_stem.get(_key(PurePosixPath(name).name), [])
        if not candidates:
            return None
        for root in roots:
            wanted = _parts(str(PurePosixPath(root) / name))
            at_root = [path for path in candidates if _parts(path) == wanted]
            if len(at_root) == 1:
                return self.paths[at_root[0]]
        agreement = {path: _common_tail(_parts(path), _parts(name)) for path in candidates}
        best = max(agreement.values())
        winners = [path for path, common in agreement.items() if common == best]
        if len(winners) > 1:  # a.jpg beside a.png: the extension decides if it was given
            suffix = PurePosixPath(name).suffix.lower()
            winners = [path for path in winners if PurePosixPath(path).suffix.lower() == suffix]
        return self.paths[winners[0]] if len(winners) == 1 else None


def _walk(folder: Path) -> Iterator[Path]:
    """Yield all files; links to folders are followed, because people link their images, but none twice."""
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(parent) / name for name in files)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", without_extension(name)).casefold()


def _parts(path: str) -> tuple[str, ...]:
    return tuple(_key(part) for part in PurePosixPath(path).parts)


def _common_tail(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    return len(os.path.commonprefix([left[::-1], right[::-1]]))
