"""YOLO 1.1 (darknet): names of classes in a text file, and one text file of boxes for each image.

CVAT writes `obj.names`, lists of images and `obj_train_data/`; Label Studio and LabelImg `classes.txt`, `images/` and
`labels/`; others put texts and images side by side. Where they lie does not matter here: a text belongs to the image
with its name, and its classes are those of the closest names. The lists say `data/obj_train_data/a.jpg`, but CVAT's
archive has no folder `data`. CVAT writes rotated boxes as if unrotated, or not at all in newer versions; this format
has no mark for it.
"""

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import centre_box, points_box, polygon_shape
from preannotate.formats.image_kinds import IMAGE_EXTENSIONS, UNREAD_EXTENSIONS, without_extension
from preannotate.formats.images import ImageMatch, video_position
from preannotate.formats.parsing import damaged_shape, number, read_shape, read_text
from preannotate.formats.records import (
    BOX,
    NO_BOX,
    NO_LABEL,
    REPEATED,
    ROTATED_BOX,
    UNKNOWN_CLASS,
    Box,
    DatasetError,
    EntryError,
    Export,
    Frame,
    Shape,
)

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
_OBB_NUMBERS = 8
# Of one image: more than 100,000 boxes.
_MAX_TEXT_BYTES = 1 << 23
IN_PIXELS = "in pixels, where numbers from 0 to 1 are expected"
# Fractions of an image whose object sticks out are hardly above 1; pixels hardly ever below.
_LARGEST_FRACTION = 2.0
# Beyond this part of lines in pixels, it is the set that is in pixels and not some odd lines.
_MOSTLY = 0.9
_DECIMAL_COMMA = re.compile(r"-?\d*,\d+")
_VISIBILITIES = (0.0, 1.0, 2.0)
_MAX_LOOKS = 100
# Labels among which a word is looked for, where a number is expected.
_MAX_NAMED = 200
_MAX_NAMES_BYTES = 1 << 22

Names = Mapping[str, list[str]]
"""Folder of the export, "" or with "/" at its end, to the names of the classes of the texts below it."""


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a file of names and a text of boxes, or lists of images."""
    files = FileTree.of(folder)
    names, _ = find_names(files)
    return bool(names) and any(_is_text(files, path) for path in files.with_suffix(".txt")[:_MAX_LOOKS])


def read(folder: Path | FileTree) -> Export:
    """Read all texts, and the images that are listed or lie there without one."""
    files = FileTree.of(folder)
    names, notes = find_names(files)
    export = read_texts(files, names)
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


def read_texts(files: FileTree, names: Names, subsets: Iterable[str] = (), *, pose: bool = False) -> Export:
    """Read all texts of boxes, and all images.

    Args:
        files: The export.
        names: At least one list of names; a text that lies in none of the folders means the first.
        subsets: Names of folders that are subsets, beside the usual ones.
        pose: Keypoints follow each box.
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
        shapes = parse_labels(files.file(path), path, classes, pose=pose)
        frames[key] = _frame(key, folder, found, shapes, known)
    for line in listed.values():
        found = files.images.find(line)
        key = found.name or line
        if key not in frames:
            frames[key] = _frame(key, "", found, (), known)
    for key, image in files.images.unnamed({frame.image for frame in frames.values()}, unsure):
        frames[key] = _frame(key, _names_for(key, names)[0], ImageMatch(image), (), known)
    check_fractions(frames.values())
    note = _counted_from_one(frames.values(), next(iter(names.values()))) if len(names) == 1 else ""
    labels = dict.fromkeys(label for classes in names.values() for label in classes if label)
    ordered = tuple(frames[key] for key in sorted(frames))
    return Export(tuple(labels), ordered, notes=(note,) if note else ())


def without_text_extension(path: str) -> str:
    """Return `a` for `a.txt`, `a.TXT` and `a.jpg.txt`."""
    return without_extension(path[: -len(".txt")])


def parse_labels(file: Path, path: str, labels: Sequence[str], *, pose: bool = False) -> tuple[Shape, ...]:
    """Read one image's file.

    A line is `class cx cy w h`, with a track's id, a score or both after it in some dialects; or `class` and the points
    of a polygon; four points are an oriented box. Of a pose, keypoints come after the box.

    Args:
        file: The text file.
        path: What it is called in the export.
        labels: Names of the classes; "" for one without a name.
        pose: Every line is a box with keypoints; otherwise only those with visibilities of keypoints are.
    """
    try:
        text = read_text(file, max_bytes=_MAX_TEXT_BYTES)
    except DatasetError as error:
        return (damaged_shape(error),)
    shapes = []
    seen: set[tuple[str, ...]] = set()
    for index, line in enumerate(text.splitlines(), 1):
        words, where = _words(line), f"{path}: line {index}"
        if tuple(words) in seen:
            shapes.append(Shape("", BOX, None, problem=REPEATED, where=where))
        elif words:
            region = partial(_region, () if pose else words)
            shapes.append(read_shape(partial(_shape, words, labels, pose), where, region=region))
            seen.add(tuple(words))
    return tuple(shapes)


def _counted_from_one(frames: Iterable[Frame], labels: Sequence[str]) -> str:
    """Return a sentence if the first class has no box and a number is beyond the last; "" if not."""
    shapes = [shape for frame in frames for shape in frame.shapes if shape.boxed]
    if not labels or any(s.label == labels[0] for s in shapes) or all(s.problem != UNKNOWN_CLASS for s in shapes):
        return ""
    return (
        f"no line has class 0, {labels[0]!r}, and some have a number beyond the last class: perhaps they are counted "
        f"from 1, and every label is wrong."
    )


def check_fractions(frames: Iterable[Frame]) -> None:
    """Refuse a set whose numbers are pixels: whether of centres and sizes or of corners is not known.

    Raises:
        DatasetError: Nearly all lines are in pixels.
    """
    shapes = [shape for frame in frames for shape in frame.shapes if shape.boxed]
    in_pixels = [shape for shape in shapes if shape.problem == IN_PIXELS]
    if in_pixels and len(in_pixels) > _MOSTLY * len(shapes):
        raise DatasetError(
            f"{in_pixels[0].where}: numbers from 0 to 1 expected; these look like pixels. "
            f"Divide x and width by the image's width, y and height by its height."
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
    return Frame(name, found.path, shapes, relative=True, subset=subset, ambiguous=found.problem, **position)


def _words(line: str) -> list[str]:
    """Return the numbers of a line, which some tools part with commas or semicolons; a decimal comma is a point."""
    line = line.partition("#")[0].replace('"', " ").replace("'", " ")
    words = line.replace(";", " ").split()
    if "," not in line:
        return words
    if len(words) > 1 and all(_DECIMAL_COMMA.fullmatch(word) for word in words if "," in word):
        return [word.replace(",", ".") for word in words]
    return line.replace(",", " ").replace(";", " ").split()


def _shape(words: Sequence[str], labels: Sequence[str], pose: bool) -> Shape:
    label = _label(words[0], labels)
    shape = _outline(label or "", words[1:], pose)
    if not label:
        return replace(shape, problem=UNKNOWN_CLASS if label is None else NO_LABEL)
    return shape


def _region(words: Sequence[str]) -> Box | None:
    """Return the box around the points of a polygon that are fractions; None for a box: all of its numbers count."""
    found = []
    for pair in zip(words[1::2], words[2::2], strict=False) if len(words) > _OBB_NUMBERS - 1 else ():
        with contextlib.suppress(EntryError):
            point = [number(word) for word in pair]
            _check_fractions(point)
            found += point
    return points_box(found) if found else None


def _label(word: str, labels: Sequence[str]) -> str | None:
    """Return the label of a class number, or a word that is a label and no number; None if it is neither."""
    try:
        class_id = number(word)
    except EntryError:
        return word if len(labels) <= _MAX_NAMED and word in labels else None
    return labels[int(class_id)] if class_id.is_integer() and 0 <= class_id < len(labels) else None


def _outline(label: str, words: Sequence[str], pose: bool) -> Shape:
    if len(words) < 4:
        raise EntryError(NO_BOX)
    values = [number(word) for word in (words[:4] if pose or len(words) == 5 else words)]
    if len(values) == 4 or _is_followed_by_ids(values) or _has_keypoints(values):
        _check_fractions(values[:4])
        cx, cy, width, height = values[:4]
        return Shape(label, BOX, centre_box(cx, cy, width, height))
    points = values[: len(values) // 2 * 2]  # an odd one is a track's id
    _check_fractions(points)
    shape = polygon_shape(label, points)
    return replace(shape, kind=ROTATED_BOX) if len(points) == _OBB_NUMBERS else shape


def _check_fractions(values: Sequence[float]) -> None:
    if max(map(abs, values)) > _LARGEST_FRACTION:
        raise EntryError(IN_PIXELS)


def _is_followed_by_ids(values: Sequence[float]) -> bool:
    """Whether a score and a track's id come after a box, as Ultralytics saves results of tracking."""
    return len(values) == 6 and values[5] > _LARGEST_FRACTION and values[5].is_integer()


def _has_keypoints(values: Sequence[float]) -> bool:
    """Whether x, y, visibility come after a box: no polygon has a 0, 1 or 2 in every third place, and a 2."""
    visibilities = values[6::3]
    return len(values) % 3 == 1 and 2.0 in visibilities and all(value in _VISIBILITIES for value in visibilities)
