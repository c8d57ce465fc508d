"""Find the image file that an annotation means.

Only files that were found by walking the folder are ever returned: a name like `../../secret.jpg` finds nothing.

Folders that only say what kind of files they hold (`images`, `JPEGImages`, `labels`, …) do not count. Of the others,
one side may have fewer: the name `cam1/000.jpg` means a file `000.jpg`, and `000.jpg` a file `cam1/000.jpg`, if no
other fits. `cam2/000.jpg` is never meant by `cam1/000.jpg`.
"""

import bisect
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from preannotate.formats.image_kinds import IMAGE_EXTENSIONS, UNREAD_EXTENSIONS, is_image_content, why_unread
from preannotate.formats.image_names import LONGEST_NAME, SPLITS, folder_key, folders_of, name_key, spellings

SEVERAL_FILES = "several files that the name may mean: not used"
OTHER_FOLDER = "only in another folder than the name says: not used"
NO_IMAGE = "there, but no image by its content"
# Files without an extension whose content is looked at to list them; others are looked at when a name means them.
_MAX_SNIFFED = 10_000


@dataclass(frozen=True)
class ImageMatch:
    """What a name means.

    Attributes:
        path: The image file; None if there is none that can be used.
        problem: Why there is none, as `Frame.problem`; "" if nothing is known.
        exact: The folders of the file are those of the name.
        name: Path of the file in the export, also if it cannot be used.
    """

    path: Path | None = None
    problem: str = ""
    exact: bool = False
    name: str = ""


class Files(Protocol):
    """What an index needs of a `FileTree`."""

    paths: list[str]

    def file(self, path: str) -> Path:
        """Return where a file of `paths` is."""


class ImageIndex:
    """The image files below a folder of an export, found by name.

    Attributes:
        folder: Path in the export, "" or with "/" at its end.
        paths: Path below `folder`, with "/", to the file, sorted.
        unread: Images that are not read, likewise, to what they are.
    """

    def __init__(self, files: Files, folder: str = "", *, leaving_out: tuple[str, ...] = ()) -> None:
        """Index the images below `folder`; `leaving_out` names folders in it that hold no photographs."""
        self.folder = folder
        self._files = files
        self._leaving_out = leaving_out
        self._below: dict[tuple[str, ...], ImageIndex] = {}
        self.paths: dict[str, Path] = {}
        self.unread: dict[str, str] = {}
        self._listed: list[str] = []
        sniffed = 0
        start = bisect.bisect_left(files.paths, folder)
        for index in range(start, len(files.paths)):
            path = files.paths[index]
            if not path.startswith(folder):
                break
            path = path[len(folder) :]
            if path.split("/", 1)[0] in leaving_out and "/" in path:
                continue
            self._listed.append(path)
            suffix = PurePosixPath(path).suffix.lower()
            if not suffix and sniffed < _MAX_SNIFFED:
                sniffed += 1
                if is_image_content(self._file(path)):
                    self.paths[path] = self._file(path)
            elif suffix in IMAGE_EXTENSIONS:
                self.paths[path] = self._file(path)
            elif suffix in UNREAD_EXTENSIONS:
                self.unread[path] = suffix

    def __bool__(self) -> bool:
        return bool(self.paths or self.unread)

    def below(self, folder: str, *, leaving_out: tuple[str, ...] = ()) -> "ImageIndex":
        """Return the images below a folder of the export, "" or with "/" at its end."""
        key = (folder, *leaving_out)
        if key not in self._below:
            same = folder == self.folder and leaving_out == self._leaving_out
            self._below[key] = self if same else ImageIndex(self._files, folder, leaving_out=leaving_out)
        return self._below[key]

    def find(
        self, name: str, *, roots: tuple[str, ...] = ("",), part: str = "", parts: frozenset[str] = frozenset()
    ) -> ImageMatch:
        """Return the file called `name`.

        Args:
            name: As in the annotation file; folders parted by slashes or backslashes.
            roots: Folders below the index's folder in which the name is looked up first.
            part: Part of the export that the annotation belongs to: files in the folder of another are not meant.
            parts: All of them; "train", "val" and "test" are always.
        """
        first = ImageMatch()
        part = folder_key(part)
        others = (SPLITS | {folder_key(other) for other in parts}) - {part} if part else frozenset()
        for variant in spellings(name, misread=self._has_foreign_letters) if len(name) <= LONGEST_NAME else ():
            match = self._find(variant, roots, part, others)
            if match.path is not None:
                return match
            first = first if first.problem else match
        return first

    def unnamed(self, used: Collection[Path | None], unsure: Collection[str] = ()) -> Iterator[tuple[str, Path]]:
        """Yield the images that no annotation means, by their path in the index.

        Copies of annotated images in folders where nothing is annotated (thumbnails, images with detections drawn in)
        are left out: they are no images without objects.

        Args:
            used: The images that annotations mean.
            unsure: Names without extension of images of which it is not known whether one means them.
        """
        means = {path for path in used if path is not None}
        folders = {path.parent for path in means}
        copied = {name_key(path.name) for path in means}
        left_out = {name_key(name) for name in unsure}
        for name, path in self.paths.items():
            key = name_key(path.name)
            if path not in means and key not in left_out and (key not in copied or path.parent in folders):
                yield name, path

    def _find(self, name: str, roots: tuple[str, ...], part: str, others: frozenset[str]) -> ImageMatch:
        for root in roots:
            if (path := str(PurePosixPath(root) / name)) in self.paths:
                return self._checked(path, exact=True)
        by_folder = self._by_stem.get(name_key(PurePosixPath(name).name), {})
        folders = folders_of(name)
        if not folders:
            candidates = [path for paths in by_folder.values() for path in paths]
        else:  # one with folders fits only if the last of them is the same
            candidates = [*by_folder.get(folders[-1], ()), *by_folder.get("", ())]
        fitting = [
            (common, path)
            for path in candidates
            if (common := _agreement(folders, folders_of(path), part, others)) is not None
        ]
        if not fitting:
            return ImageMatch(problem=OTHER_FOLDER if by_folder else "")
        best = max(agreement for agreement, _ in fitting)
        paths = self._preferred([path for agreement, path in fitting if agreement == best], name, roots)
        if len(paths) > 1:
            return ImageMatch(problem=SEVERAL_FILES)
        return self._checked(paths[0], exact=best.equal)

    def _checked(self, path: str, *, exact: bool) -> ImageMatch:
        file = self._file(path)
        if problem := why_unread(file):
            return ImageMatch(problem=problem, exact=exact, name=self.folder + path)
        if path not in self.paths and not is_image_content(file):
            return ImageMatch(problem=NO_IMAGE, exact=exact, name=self.folder + path)
        return ImageMatch(file, exact=exact, name=self.folder + path)

    def _file(self, path: str) -> Path:
        return self._files.file(self.folder + path)

    @cached_property
    def _has_foreign_letters(self) -> bool:
        return any(not path.isascii() for path in self._listed)

    @cached_property
    def _by_stem(self) -> dict[str, dict[str, list[str]]]:
        """Last part of a path without the extension of an image, and its last folder, to the paths of all files.

        Any file may be an image.
        """
        found: dict[str, dict[str, list[str]]] = {}
        for path in self._listed:
            folders = folders_of(path)
            by_folder = found.setdefault(name_key(path.replace("\\", "/").rpartition("/")[2]), {})
            by_folder.setdefault(folders[-1] if folders else "", []).append(path)
        return found

    def _preferred(self, paths: list[str], name: str, roots: tuple[str, ...]) -> list[str]:
        """Return those of equally good paths that lie at a root, can be read, or are spelt like the name."""
        spelt = PurePosixPath(name)
        for is_better in (
            lambda path: any(_same(str(PurePosixPath(root) / name), path) for root in roots),
            lambda path: path in self.paths,
            lambda path: PurePosixPath(path).suffix.lower() == spelt.suffix.lower(),
            lambda path: PurePosixPath(path).name == spelt.name,
        ):
            paths = [path for path in paths if is_better(path)] or paths
        return paths


@dataclass(frozen=True, order=True)
class _Agreement:
    """How well the folders of a name and a file agree: all of them, and how many."""

    equal: bool
    common: int


def _agreement(wanted: tuple[str, ...], found: tuple[str, ...], part: str, others: frozenset[str]) -> _Agreement | None:
    """Return how well a file's folders agree with those of a name; None if they contradict each other."""
    if part not in found and others.isdisjoint(wanted) and not others.isdisjoint(found):
        return None
    common = 0
    for left, right in zip(reversed(wanted), reversed(found), strict=False):
        if left != right:
            return None
        common += 1
    return _Agreement(len(wanted) == len(found), common + (part in found))


def _same(left: str, right: str) -> bool:
    return [name_key(part) for part in left.split("/")] == [name_key(part) for part in right.split("/")]
