"""YOLO 1.1 (darknet): names of classes in a text file, and one text file of boxes for each image.

CVAT writes `obj.names`, lists of images and `obj_train_data/`; Label Studio and LabelImg `classes.txt`, `images/` and
`labels/`; others put texts and images side by side. Where they lie does not matter here: a text belongs to the image
with its name, and its classes are those of the closest names. The lists say `data/obj_train_data/a.jpg`, but CVAT's
archive has no folder `data`. CVAT writes rotated boxes as if unrotated, or not at all in newer versions; this format
has no mark for it.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import centre_box, points_box
from preannotate.formats.image_kinds import IMAGE_EXTENSIONS, UNREAD_EXTENSIONS, without_extension
from preannotate.formats.images import ImageMatch, video_position
from preannotate.formats.parsing import number, read_text
from preannotate.formats.records import BOX, ROTATED_BOX, DatasetError, Export, Frame, Shape

_NAMES = re.compile(
    r"(.*\.names|_?classes\.txt|class_?names?\.txt|predefined_classes\.txt|obj_names\.txt|names\.txt|labels\.txt"
    r"|_darknet\.labels)",
    re.IGNORECASE,
)
_FILE_NAME = "obj.names"
_PREFIX = "data/"
# Folders beside the images, or around their lists: names in them are those of the folder around.
_INNER_FOLDERS = ("data", "cfg", "config", "labels", "label", "annotations", "txt", "images")
_LEADING = re.compile(r"images|labels|data|obj|txt|jpegimages|imgs?|annotations", re.IGNORECASE)
_SUBSET = re.compile(r"obj_.*_data|train|training|val|valid|validation|dev|test", re.IGNORECASE)
_LABEL_LINE = re.compile(r"\d+(\.0*)?(\s+[-+\d.eE]+){4}")
_LABEL_FOLDER = re.compile(r"(^|/)(labels|obj_[^/]*_data)/")
_OBB_NUMBERS = 8
_MAX_LOOKS = 100

Names = Mapping[str, list[str]]
"""Folder of the export, "" or with "/" at its end, to the names of the classes of the texts below it."""


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a file of names and a text of boxes, or lists of images."""
    files = FileTree.of(folder)
    names = find_names(files)
    return bool(names) and any(_is_text(files, path) for path in files.with_suffix(".txt")[:_MAX_LOOKS])


def read(folder: Path | FileTree) -> Export:
    """Read all texts, and the images that are listed or lie there without one."""
    files = FileTree.of(folder)
    return read_texts(files, find_names(files))


def find_names(files: FileTree) -> dict[str, list[str]]:
    """Return the names in text files, by the folder that they hold for."""
    found: dict[str, list[str]] = {}
    for path in files.paths:
        parent, _, name = path.rpartition("/")
        if _NAMES.fullmatch(name) and (names := _read_names(files.file(path))):
            found.setdefault(folder_of_names(parent), names)
    return found


def folder_of_names(parent: str) -> str:
    """Return the folder whose texts mean names that lie in `parent`."""
    around, _, last = parent.rpartition("/")
    if last.lower() in _INNER_FOLDERS:
        parent = around
    return f"{parent}/" if parent else ""


def read_texts(files: FileTree, names: Names, subsets: Iterable[str] = ()) -> Export:
    """Read all texts of boxes, and all images.

    Args:
        files: The export.
        names: At least one list of names; a text that lies in none of the folders means the first.
        subsets: Names of folders that are subsets, beside the usual ones.
    """
    known = frozenset(subset.lower() for subset in subsets)
    texts: dict[str, ImageMatch] = {}
    listed: dict[str, str] = {}
    for path in files.with_suffix(".txt"):
        found = _image_of(files, path)
        if _NAMES.fullmatch(PurePosixPath(path).name):
            continue
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
        if found.path is None:
            unsure.add(_stem(path))
        shapes = parse_labels(files.file(path), path, classes)
        frames[key] = _frame(key, folder, found, shapes, known)
    for line in listed.values():
        found = files.images.find(line)
        key = found.name or line
        if key not in frames:
            frames[key] = _frame(key, "", found, (), known)
    used = {frame.image for frame in frames.values()}
    for key, image in files.images.paths.items():
        if image not in used and _stem(key) not in unsure:
            frames[key] = _frame(key, _names_for(key, names)[0], ImageMatch(image), (), known)
    labels = dict.fromkeys(label for classes in names.values() for label in classes)
    return Export(tuple(labels), tuple(frames[key] for key in sorted(frames)))


def without_text_extension(path: str) -> str:
    """Return `a` for `a.txt`, `a.TXT` and `a.jpg.txt`."""
    return without_extension(path[: -len(".txt")])


def parse_labels(file: Path, path: str, labels: list[str]) -> tuple[Shape, ...]:
    """Read one image's file, which is called `path` in the export.

    A line is `class cx cy w h`, with a track's id or a score after it in some dialects; or `class` and
    the points of a polygon; four points are an oriented box.
    """
    shapes = []
    for index, line in enumerate(read_text(file).splitlines(), 1):
        if line.strip():
            where = f"{path}: line {index}"
            shapes.append(_shape(line.split(), labels, where))
    return tuple(shapes)


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
        lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    except DatasetError:
        if path.name == _FILE_NAME:
            raise
        return []
    return [] if any(_LABEL_LINE.match(line) for line in lines[:_MAX_LOOKS]) else lines


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


def _shape(words: list[str], labels: list[str], where: str) -> Shape:
    class_id = number(words[0], f"{where}: class")
    if not class_id.is_integer() or not 0 <= class_id < len(labels):
        raise DatasetError(f"{where}: class {words[0]}; expected 0 to {len(labels) - 1}. Export again.")
    label = labels[int(class_id)]
    values = [number(word, f"{where}: a coordinate") for word in words[1:]]
    if len(values) in (4, 5):
        cx, cy, width, height = values[:4]
        return Shape(label, BOX, centre_box(cx, cy, width, height))
    if len(values) >= 6 and len(values) - len(values) % 2 >= 6:
        points = values[: len(values) - len(values) % 2]  # an odd one is a track's id
        return Shape(label, ROTATED_BOX if len(points) == _OBB_NUMBERS else "polygon", points_box(points))
    raise DatasetError(
        f"{where}: {len(values)} numbers after the class; expected cx cy w h or the points of a polygon. Export again."
    )
