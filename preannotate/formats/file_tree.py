"""The files of an export: listed once, within limits, and parsed once.

A folder may hold anything. Pipes, sockets and devices are left out, for opening one may wait for ever; links to folders
are followed, because people link their images, but not in a circle and not up to a folder around the export.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from preannotate.formats.images import ImageIndex
from preannotate.formats.parsing import read_json
from preannotate.formats.records import DatasetError

MAX_FILES = 2_000_000
# Deeper than any export, and far from the longest path that a system opens.
MAX_DEPTH = 40
# Of parsed JSON kept between recognising a format and reading it, as bytes of the files.
_MAX_KEPT_BYTES = 1 << 27
# So many files of a folder are not what is looked for: then only those with a usual name are opened.
_MAX_MISSES = 50
_USUAL_NAME = re.compile(r"/?_?(annotations|instances|train|val|test|default|labels|result|export|coco)", re.IGNORECASE)
# What operating systems, storage devices and tools put beside the files that people see.
_JUNK_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "__pycache__", "lost+found")
_JUNK_FILES = (".DS_Store", "Thumbs.db", "desktop.ini")
# Files there are made by the kernel when they are read; some wait for ever.
_KERNEL_FOLDERS = ("/proc", "/sys", "/dev")


class FileTree:
    """The regular files below a folder, by their path in it with "/".

    Attributes:
        folder: The folder; where people packed a whole folder, the innermost one that is not alone.
        paths: Sorted.
        scratch: A folder for what archives among the files hold; None if they cannot be extracted.
        notes: Whole sentences about what could not be listed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        annotations: str | None = None,
        added: Mapping[str, Path] | None = None,
        scratch: Path | None = None,
    ) -> None:
        """List the files of a folder.

        Args:
            folder: Where they lie.
            annotations: Path, in the folder, of the only annotation file that counts; None for all.
            scratch: A folder that archives among the files can be extracted to, for as long as the tree is used.
            added: Files from elsewhere, such as those of an archive in the folder, by the path that they get.

        Raises:
            DatasetError: More than `MAX_FILES` files, or the folder cannot be listed.
        """
        self.notes: list[str] = []
        self.annotations = annotations
        self.scratch = scratch
        self._elsewhere = dict(added or {})
        listed = [*_walk(folder, self.notes), *self._elsewhere]
        prefix = "" if annotations or self._elsewhere else _lone_folder(listed)
        self.folder = folder / prefix
        self.paths = sorted(path[len(prefix) :] for path in listed)
        self._kept: dict[str, Any] = {}
        self._kept_bytes = 0

    def __contains__(self, path: str) -> bool:
        return path in self._set

    def file(self, path: str) -> Path:
        """Return where a file of `paths` is on the disk."""
        return self._elsewhere.get(path) or self.folder / path

    def with_suffix(self, *suffixes: str) -> list[str]:
        """Return the annotation files whose name ends so; suffixes are in lower case."""
        if self.annotations is not None:
            return [self.annotations] if self.annotations.lower().endswith(suffixes) else []
        return [path for path in self.paths if path.lower().endswith(suffixes)]

    @classmethod
    def of(cls, folder: "Path | FileTree") -> "FileTree":
        """Return the tree of a folder, or the tree itself."""
        return folder if isinstance(folder, FileTree) else cls(folder)

    def with_files(self, added: Mapping[str, Path]) -> "FileTree":
        """Return a tree of the same files and others."""
        added = {**self._elsewhere, **added}
        return FileTree(self.folder, annotations=self.annotations, added=added, scratch=self.scratch)

    @cached_property
    def images(self) -> ImageIndex:
        """All images."""
        return ImageIndex(self)

    def images_for(self, annotation_file: str, *, leaving_out: tuple[str, ...] = ()) -> ImageIndex:
        """Return the images that an annotation file can mean.

        They lie below the closest folder around it that has images at all: equal names in another part of the export
        belong to the annotations of that part.
        """
        for parent in PurePosixPath(annotation_file).parents:
            folder = "" if parent == PurePosixPath(".") else f"{parent}/"
            if images := self.images.below(folder, leaving_out=leaving_out):
                return images
        return self.images

    def candidates(self, suffix: str, is_wanted: Callable[[str], bool]) -> Iterator[str]:
        """Yield the annotation files with this suffix that `is_wanted`, which opens them.

        In a folder of thousands of files of another kind it is not asked for each: the rest is taken for the same kind.
        """
        misses: Counter[str] = Counter()
        for path in self.with_suffix(suffix):
            folder = path.rpartition("/")[0]
            if misses[folder] < _MAX_MISSES or _USUAL_NAME.match(path[len(folder) :]):
                if is_wanted(path):
                    misses[folder] = 0
                    yield path
                else:
                    misses[folder] += 1

    def json(self, path: str) -> Any:
        """Return the value of a JSON file; the last ones are kept, so that recognising and reading parse it once.

        Raises:
            DatasetError: As `read_json`.
        """
        if path in self._kept:
            return self._kept[path]
        file = self.file(path)
        value = read_json(file)
        size = file.stat().st_size
        if self._kept_bytes + size > _MAX_KEPT_BYTES:
            self.forget()
        self._kept[path] = value
        self._kept_bytes += size
        return value

    def forget(self) -> None:
        """Drop the values that `json` keeps."""
        self._kept.clear()
        self._kept_bytes = 0

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.paths)


def is_junk(name: str) -> bool:
    """Whether a file or folder is one that the system made and people do not see."""
    return name in _JUNK_FOLDERS or name in _JUNK_FILES or name.startswith("._")


def _walk(folder: Path, notes: list[str]) -> Iterator[str]:
    """Yield the files; links to folders come last, so that a folder inside the export keeps its own path."""
    root = os.path.realpath(folder)
    seen: set[tuple[int, int]] = set()
    pending: list[tuple[str, int]] = [("", 0)]
    links: list[tuple[str, int]] = []
    count = 0
    while pending or links:
        prefix, depth = pending.pop() if pending else links.pop()
        try:
            status = (folder / prefix).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder / prefix) as entries:
                for entry in entries:
                    count += 1
                    if count > MAX_FILES:
                        raise DatasetError(
                            f"{folder.name}: more than {MAX_FILES} files and folders; expected the folder of one "
                            f"export. Name a folder with fewer files."
                        )
                    path = prefix + entry.name
                    if is_junk(entry.name):
                        continue
                    if _is_regular(entry):
                        yield path
                    elif depth < MAX_DEPTH and _may_enter(entry, root):
                        (links if entry.is_symlink() else pending).append((f"{path}/", depth + 1))
        except OSError as error:
            if not prefix:
                raise DatasetError(
                    f"{folder.name}: {error.strerror or error}; expected a folder that can be read. "
                    f"Check its permissions."
                ) from error
            notes.append(f"{prefix[:-1]} cannot be read ({error.strerror or error}): its files are missing here.")


def _may_enter(entry: os.DirEntry[str], root: str) -> bool:
    if entry.name.startswith(".") or not _follow(entry.is_dir):
        return False
    target = os.path.realpath(entry.path) if entry.is_symlink() else ""
    around_root = root == target or root.startswith(target.rstrip("/") + "/")
    return not target or not (around_root or _of_kernel(target))


def _is_regular(entry: os.DirEntry[str]) -> bool:
    return _follow(entry.is_file) and not (entry.is_symlink() and _of_kernel(os.path.realpath(entry.path)))


def _follow(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except OSError:  # a link that leads round in a circle
        return False


def _of_kernel(target: str) -> bool:
    return any(target == folder or target.startswith(folder + "/") for folder in _KERNEL_FOLDERS)


def _lone_folder(paths: list[str]) -> str:
    """Return the folder that holds all files, with "/" at its end: people pack a folder into a folder."""
    if not paths:
        return ""
    common = os.path.commonprefix([min(paths), max(paths)])
    return common[: common.rfind("/") + 1]
