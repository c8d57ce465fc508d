"""Find the image file that an annotation means.

Names in annotation files come with and without folders and extensions, in another case, with `data/` in front, as URLs,
with percent escapes, composed or decomposed Unicode, in another code page. Only files that were found by walking the
folder are ever returned, so that a name like `../../secret.jpg` finds nothing.

Folders that only say what kind of files they hold (`images`, `JPEGImages`, `labels`, …) do not count. Of the others,
one side may have fewer: the name `cam1/000.jpg` means a file `000.jpg`, and `000.jpg` a file `cam1/000.jpg`, if no
other fits. `cam2/000.jpg` is never meant by `cam1/000.jpg`.
"""

import bisect
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Protocol, TypedDict
from urllib.parse import parse_qs, unquote

from preannotate.formats.image_kinds import (
    IMAGE_EXTENSIONS,
    UNREAD_EXTENSIONS,
    is_image_content,
    why_unread,
    without_extension,
)
from preannotate.formats.records import Frame

SEVERAL_FILES = "several files that the name may mean: not used"
SHARED_FILE = "one file that several names or tasks mean: not used"
CONTRADICTORY = "annotated differently in several files: not used"
OTHER_FOLDER = "only in another folder than the name says: not used"
NO_IMAGE = "there, but no image by its content"
# CVAT's name of a video frame; "_1" is added where two tasks of a project collide.
_VIDEO_FRAME = re.compile(r"frame_(\d{6,15})(?:_\d+)?$")
# Folders that say what is in them and not which are of these words: `images`, `JPEGImages`, `yolo_txt`, ….
_KIND_FOLDER = re.compile(
    r"[./]*|(?:(?:jpeg)?images?|imgs?|jpe?gs?|pngs?|pic(?:ture)?s?|photos?|frames|data|dataset|obj|default|labels?"
    r"|ann(?:otation)?s?|bbox(?:es)?|boxes|xmls?|txts?|jsons?|yolo|voc|coco)(?:[ _-](?:images?|imgs?|labels?"
    r"|ann(?:otation)?s?|bbox(?:es)?|boxes|xmls?|txts?|jsons?|yolo|voc|coco|data|files?))*",
    re.IGNORECASE,
)
_SPLIT = re.compile(
    r"(?:obj_)?(?:(?P<train>train(?:ing)?)|(?P<val>val(?:id|idation)?|dev)|(?P<test>test(?:ing)?))"
    r"(?:_?data|_?set)?(?:20\d\d)?(?:_?(?:images?|imgs?|labels?))?",
    re.IGNORECASE,
)
_SPLITS = frozenset(["train", "val", "test"])
# What a name without a file may have become: written in one code page, shown in another.
_WRITTEN = ("utf-8", "cp437", "cp850", "cp866", "cp1251", "cp1252", "cp932", "gb18030", "big5", "cp949", "euc_jp")
_SHOWN = ("cp437", "cp1252", "latin-1", "cp850", "cp866", "cp1251")
# Files without an extension whose content is looked at to list them; others are looked at when a name means them.
_MAX_SNIFFED = 10_000
# Of a path on any system.
_LONGEST_NAME = 4096


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


def split_of(annotation_file: Path) -> str:
    """Return "train", "val" or "test" if the stem of an annotation file or its folder says so, else ""."""
    stem = re.sub(r"^_?(instances|annotations|labels|person_keypoints)_", "", annotation_file.stem)
    return _split(stem) or _split(annotation_file.parent.name)


@dataclass(frozen=True)
class ImageMatch:
    """What a name means.

    Attributes:
        path: The image file; None if there is none that can be used.
        problem: Why there is none, as `Frame.ambiguous`; "" if nothing is known.
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
        part = _folder(part)
        others = (_SPLITS | {_folder(other) for other in parts}) - {part} if part else frozenset()
        for variant in _variants(name, misread=self._has_foreign_letters) if len(name) <= _LONGEST_NAME else ():
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
        copied = {_key(path.name) for path in means}
        left_out = {_key(name) for name in unsure}
        for name, path in self.paths.items():
            key = _key(path.name)
            if path not in means and key not in left_out and (key not in copied or path.parent in folders):
                yield name, path

    def _find(self, name: str, roots: tuple[str, ...], part: str, others: frozenset[str]) -> ImageMatch:
        for root in roots:
            if (path := str(PurePosixPath(root) / name)) in self.paths:
                return self._checked(path, exact=True)
        by_folder = self._by_stem.get(_key(PurePosixPath(name).name), {})
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
            by_folder = found.setdefault(_key(path.replace("\\", "/").rpartition("/")[2]), {})
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
    return [_key(part) for part in left.split("/")] == [_key(part) for part in right.split("/")]


def folders_of(path: str) -> tuple[str, ...]:
    """Return the folders of a path that say which file it is, without case; names of splits in one spelling."""
    return _folders(path.replace("\\", "/").rpartition("/")[0])


@lru_cache(maxsize=1 << 16)
def _folders(parent: str) -> tuple[str, ...]:
    return tuple(_folder(part) for part in parent.split("/") if not _KIND_FOLDER.fullmatch(part))


def _folder(part: str) -> str:
    return _split(part) or unicodedata.normalize("NFC", part).casefold()


def _split(word: str) -> str:
    match = _SPLIT.fullmatch(word)
    return str(match.lastgroup) if match else ""


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", without_extension(name)).casefold()


def _variants(name: str, *, misread: bool = False) -> Iterator[str]:
    """Yield the name as it is, then without what a URL has around it, then in other code pages."""
    yield name
    literal, name = name, name.strip().replace("\\", "/")
    if name != literal:
        yield name
    plain = _without_url(name)
    if plain != name:
        yield plain
    if unquote(plain) != plain:
        yield unquote(plain)
    if misread and not name.isascii():
        yield from _misread(name)


def _without_url(name: str) -> str:
    scheme, mark, rest = name.partition("://")
    path, _, query = (rest.partition("/")[2] if mark and scheme.isalnum() else name).partition("?")
    # Label Studio serves local files as /data/local-files/?d=folder/a.jpg.
    inner = parse_qs(query).get("d", [""])[0] if path.endswith("/local-files/") else ""
    return inner or path


def _misread(name: str) -> Iterator[str]:
    """Yield what a name becomes when its bytes are read in another code page than they were written in."""
    seen = {name}
    for written in _WRITTEN:
        try:
            data = unicodedata.normalize("NFC", name).encode(written)
        except UnicodeEncodeError:
            continue
        for shown in _SHOWN:
            text = data.decode(shown, errors="replace")
            if text not in seen and "\ufffd" not in text:
                seen.add(text)
                yield text.replace("\\", "/")
        yield data.decode("utf-8", errors="surrogateescape")  # a file system keeps bytes that are no UTF-8


def with_plain_names(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Take from names what a URL has around the name of its file, and percent escapes where the file has none."""
    return tuple(replace(f, name=_plain_name(f.name, f.image)) if f.image is not None else f for f in frames)


def _plain_name(name: str, image: Path) -> str:
    plain = name.replace("\\", "/")
    if "%" not in plain and "?" not in plain and "://" not in plain:
        return plain
    variants = ((variant, PurePosixPath(variant).name) for variant in _variants(plain))
    return next((v.lstrip("/") for v, last in variants if last in (image.name, without_extension(image.name))), plain)


class _Claim(IntEnum):
    """How a name means its file, from sure to unsure."""

    SAME_PATH = 0
    OTHER_SPELLING = 1
    OTHER_CASE = 2
    SHORTER_PATH = 3


def without_shared_files(frames: Sequence[Frame], *, subsets_are_folders: bool = False) -> tuple[Frame, ...]:
    """Mark frames as ambiguous that mean the same file under several names, in several tasks or subsets.

    Images of several folders, or of several video tasks, that were unpacked into one folder overwrite each other. Only
    where one name is that of the file and the others are other spellings of it, that one keeps the file. Frames that
    say the same, or occur again under the very same name, are no contradiction; nor are files of annotations that have
    no label in common, such as one for each class: their shapes of an image are put together. An annotation file that
    lists an image without shapes says nothing about it, unless `subsets_are_folders`: then it is another image.
    """
    owners: dict[Path, list[Frame]] = defaultdict(list)
    labels: dict[str, set[str]] = defaultdict(set)
    for frame in frames:
        labels[frame.subset] |= {shape.label for shape in frame.shapes}
        if frame.image is not None and not frame.ambiguous:
            owners[frame.image].append(frame)
    changed: dict[int, Frame | None] = {}
    for path, members in owners.items():
        if len(members) == 1:
            continue
        if len({(frame.task_id, frame.name) for frame in members}) > 1:
            changed |= {id(f): replace(f, image=None, ambiguous=SHARED_FILE) for f in _without_file(path, members)}
            continue
        annotated = [frame for frame in members if frame.shapes]
        if annotated and not subsets_are_folders:
            changed |= {id(frame): None for frame in members if not frame.shapes}
            members = annotated
        if _contradict(members):
            if not subsets_are_folders and _have_labels_of_their_own([labels[frame.subset] for frame in members]):
                shapes = tuple(shape for frame in members for shape in frame.shapes)
                changed |= dict.fromkeys(map(id, members)) | {id(members[0]): replace(members[0], shapes=shapes)}
            else:
                changed |= {id(f): replace(f, image=None, ambiguous=CONTRADICTORY) for f in members}
    return tuple(kept for f in frames if (kept := changed.get(id(f), f)) is not None)


def _contradict(members: list[Frame]) -> bool:
    """Whether frames of one name say different things, in different subsets."""
    contents = {tuple((shape.label, shape.kind, shape.box) for shape in frame.shapes) for frame in members}
    return len(contents) > 1 and len({frame.subset for frame in members}) > 1


def _have_labels_of_their_own(labels: list[set[str]]) -> bool:
    return all(labels) and len(set.union(*labels)) == sum(map(len, labels))


def _without_file(path: Path, members: list[Frame]) -> list[Frame]:
    """Return those of frames with different names that do not keep their file."""
    claims = [_claim(frame.name, path) for frame in members]
    longest = max(len(frame.name) for frame, claim in zip(members, claims, strict=True) if claim == min(claims))
    if max(claims) >= _Claim.OTHER_CASE or min(claims) != _Claim.SAME_PATH:
        return members
    sure = {
        (frame.task_id, frame.name)
        for frame, claim in zip(members, claims, strict=True)
        if claim == _Claim.SAME_PATH and len(frame.name) == longest
    }
    return members if len(sure) > 1 else [frame for frame in members if (frame.task_id, frame.name) not in sure]


def _claim(name: str, path: Path) -> _Claim:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    tail = path.parts[-len(parts) :]
    if tail == parts:
        return _Claim.SAME_PATH
    if tuple(map(str.casefold, tail)) == tuple(map(str.casefold, parts)):
        return _Claim.OTHER_CASE
    folders = folders_of(name)
    if folders and folders_of(path.as_posix())[-len(folders) :] != folders:
        return _Claim.SHORTER_PATH
    return _Claim.OTHER_SPELLING
