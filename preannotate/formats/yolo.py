"""YOLO 1.1 (darknet): names of classes in a text file, and one text file of boxes for each image.

CVAT writes `obj.names`, lists of images and `obj_train_data/`; Label Studio and LabelImg `classes.txt`, `images/` and
`labels/`; others put texts and images side by side. Where they lie does not matter here: a text belongs to the image
with its name, and its classes are those of the closest names. The lists say `data/obj_train_data/a.jpg`, but CVAT's
archive has no folder `data`. CVAT writes rotated boxes as if unrotated, or not at all in newer versions; this format
has no mark for it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from preannotate.formats.file_tree import FileTree
from preannotate.formats.image_kinds import IMAGE_EXTENSIONS, UNREAD_EXTENSIONS, without_extension
from preannotate.formats.image_names import video_position
from preannotate.formats.images import ImageMatch
from preannotate.formats.parsing import read_text
from preannotate.formats.records import (
    UNKNOWN_CLASS,
    DatasetError,
    Export,
    Frame,
    Shape,
)
from preannotate.formats.yolo_lines import parse_labels, refuse_pixels

_NAMES = re.compile(
    r"(.*\.names|_?classes\.txt|class_?names?\.txt|predefined_classes\.txt|obj_names\.txt|names\.txt|labels\.txt"
    r"|_darknet\.labels)",
    re.IGNORECASE,
)
_FILE_NAME = "obj.names"
_USUAL_NAMES = (_FILE_NAME, "classes.txt")
_PREFIX = "data/"
# Folders beside the images, or around their lists: names in them are those of the folder around.
_INNER_FOLDERS = ("data", "cfg", "config", "labels", "label", "annotations", "txt", "images")
_LEADING = re.compile(r"images|labels|data|obj|txt|jpegimages|imgs?|annotations", re.IGNORECASE)
_SUBSET = re.compile(r"obj_.*_data|train|training|val|valid|validation|dev|test", re.IGNORECASE)
_LABEL_LINE = re.compile(r"\d+(\.0*)?([\s,;]+[-+\d.,eE]+){4}")
_NUMBERED = re.compile(r"(\d{1,6})\s*:\s*(.+)")
_LABEL_FOLDER = re.compile(r"(^|/)(labels|obj_[^/]*_data)/", re.IGNORECASE)
_MAX_LOOKS = 100
_MAX_NAMES_BYTES = 1 << 22

Names = Mapping[str, list[str]]
"""Folder of the export, "" or with "/" at its end, to the names of the classes of the texts below it."""


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a file of names and a text of boxes, or lists of images."""
    files = FileTree.of(folder)
    names, _ = find_names(files)
    return bool(names) and any(_is_text(files, path) for path in files.with_suffix(".txt")[:_MAX_LOOKS])


def read(folder: Path | FileTree, *, outlines: bool = False) -> Export:
    """Read all texts, and the images that are listed or lie there without one."""
    files = FileTree.of(folder)
    names, notes = find_names(files)
    export = read_texts(files, names, outlines=outlines)
    return replace(export, notes=(*export.notes, *notes))


def find_names(files: FileTree, known: Names | None = None) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Return the names in text files, by the folder that they hold for, and sentences about what they contradict.

    `known` are names from elsewhere, which count in their folders and below.
    """
    found = dict(known or {})
    notes = []
    for path in sorted(files.paths, key=lambda path: not path.endswith(_USUAL_NAMES)):
        parent, _, name = path.rpartition("/")
        if not _NAMES.fullmatch(name) or not (names := _read_names(files.file(path))):
            continue
        folder = folder_of_names(parent)
        held = [other for other in found if folder == other or (other in (known or {}) and folder.startswith(other))]
        if not held:
            found[folder] = names
        elif names != found[max(held, key=len)]:
            notes.append(f"{path} has other names of classes than the file whose names are used: correct or remove it.")
    return found, tuple(notes)


def folder_of_names(parent: str) -> str:
    """Return the folder whose texts mean names that lie in `parent`."""
    around, _, last = parent.rpartition("/")
    if last.lower() in _INNER_FOLDERS:
        parent = around
    return f"{parent}/" if parent else ""


def read_texts(
    files: FileTree, names: Names, subsets: Iterable[str] = (), *, pose: bool = False, outlines: bool = False
) -> Export:
    """Read all texts of boxes, and all images.

    Args:
        files: The export.
        names: At least one list of names; a text that lies in none of the folders means the first.
        subsets: Names of folders that are subsets, beside the usual ones.
        pose: Keypoints follow each box.
        outlines: As in `read_shape`.
    """
    known = frozenset(subset.lower() for subset in subsets)
    texts: dict[str, ImageMatch] = {}
    listed: dict[str, str] = {}
    for path in files.with_suffix(".txt"):
        if _NAMES.fullmatch(PurePosixPath(path).name):
            continue
        found = _image_of(files, path)
        if found.name or _is_text(files, path):
            texts[path] = found
        else:
            listed |= {without_extension(line): line for line in _listed_images(files.file(path))}
    frames: dict[str, Frame] = {}
    unsure: set[str] = set()
    for path, found in texts.items():
        folder, classes = _names_for(path, names)
        key = without_text_extension(path)
        key = found.name if found.exact else listed.get(key, key)
        if key in frames:  # two texts of one image, such as a.txt and a.jpg.txt
            key = path
        if found.path is None:
            unsure.add(_stem(path))
        shapes = parse_labels(files.file(path), path, classes, pose=pose, outlines=outlines)
        frames[key] = _frame(key, folder, found, shapes, known)
    for line in listed.values():
        found = files.images.find(line)
        key = found.name or line
        if key not in frames:
            frames[key] = _frame(key, "", found, (), known)
    for key, image in files.images.unnamed({frame.image for frame in frames.values()}, unsure):
        frames[key] = _frame(key, _names_for(key, names)[0], ImageMatch(image), (), known)
    refuse_pixels(frames.values())
    note = _counted_from_one(frames.values(), next(iter(names.values()))) if len(names) == 1 else ""
    labels = dict.fromkeys(label for classes in names.values() for label in classes if label)
    ordered = tuple(frames[key] for key in sorted(frames))
    return Export(tuple(labels), ordered, notes=(note,) if note else ())


def without_text_extension(path: str) -> str:
    """Return `a` for `a.txt`, `a.TXT` and `a.jpg.txt`."""
    return without_extension(path[: -len(".txt")])


def _counted_from_one(frames: Iterable[Frame], labels: Sequence[str]) -> str:
    """Return a sentence if the first class has no box and a number is beyond the last; "" if not."""
    shapes = [shape for frame in frames for shape in frame.shapes if shape.boxed]
    if not labels or any(s.label == labels[0] for s in shapes) or all(s.problem != UNKNOWN_CLASS for s in shapes):
        return ""
    return (
        f"no line has class 0, {labels[0]!r}, and some have a number beyond the last class: perhaps they are counted "
        f"from 1, and every label is wrong."
    )


def _names_for(path: str, names: Names) -> tuple[str, list[str]]:
    """Return the closest names around a file, with their folder."""
    folder = max((folder for folder in names if path.startswith(folder)), key=len, default=None)
    return next(iter(names.items())) if folder is None else (folder, names[folder])


def _image_of(files: FileTree, path: str) -> ImageMatch:
    images = files.images_for(path)
    name = path.removeprefix(images.folder)
    whole = images.find(name[: -len(".txt")])
    return whole if whole.path else images.find(without_text_extension(name))


def _is_text(files: FileTree, path: str) -> bool:
    """Whether a text holds boxes, by its first line, or lies where such texts lie."""
    if _LABEL_FOLDER.search(path):
        return not _NAMES.fullmatch(PurePosixPath(path).name)
    try:
        first = next((line for line in read_text(files.file(path)).splitlines() if line.strip()), "")
    except DatasetError:
        return False
    return bool(_LABEL_LINE.match(first.strip()))


def _read_names(path: Path) -> list[str]:
    """Return the names in a text file, one a line; none if it is a text of another kind."""
    try:
        lines = [line.strip() for line in read_text(path, max_bytes=_MAX_NAMES_BYTES).rstrip().splitlines()]
    except DatasetError:
        if path.name == _FILE_NAME:
            raise
        return []
    if any(_LABEL_LINE.match(line) for line in lines[:_MAX_LOOKS]):
        return []
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if all(match and int(match[1]) == index for index, match in enumerate(numbered)):
        return [match[2] for match in numbered if match]
    return lines


def _listed_images(path: Path) -> list[str]:
    """Return the lines of `train.txt` and the other subsets' lists that name images."""
    try:
        lines = [line.strip().replace("\\", "/") for line in read_text(path).splitlines()]
    except DatasetError:
        return []
    return [
        line.removeprefix(_PREFIX)
        for line in lines
        if PurePosixPath(line).suffix.lower() in IMAGE_EXTENSIONS | UNREAD_EXTENSIONS
    ]


def _stem(path: str) -> str:
    name = PurePosixPath(path).name
    return without_text_extension(name) if name.lower().endswith(".txt") else without_extension(name)


def _frame(key: str, folder: str, found: ImageMatch, shapes: tuple[Shape, ...], subsets: frozenset[str]) -> Frame:
    """Return the frame of a file whose names of classes are those of `folder`; folders that sort files are left out."""
    parts = key.removeprefix(folder).split("/")
    subset = folder.rstrip("/")
    is_named = False
    while len(parts) > 1:
        is_subset = not is_named and (_SUBSET.fullmatch(parts[0]) or parts[0].lower() in subsets)
        if is_subset:
            subset, is_named = f"{folder}{parts[0]}", True
        elif not _LEADING.fullmatch(parts[0]):
            break
        parts.pop(0)
    name = "/".join(parts)
    position = video_position(name, subset)
    return Frame(name, found.path, shapes, relative=True, subset=subset, problem=found.problem, **position)
