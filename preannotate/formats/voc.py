"""PASCAL VOC: one XML file beside each image; CVAT's export and plain folders alike.

Coordinates are used as they are: CVAT writes floats that begin at 0, and the half pixel of the
original 1-based integers is less than the care with which boxes are drawn.
An XML file belongs to the image of its own name; `<filename>` is only used where there is none.
"""

import math
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from preannotate.core.text import plural
from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import box_shape, centre_box, polygon_or_box
from preannotate.formats.image_names import video_position
from preannotate.formats.outlines import UNREADABLE
from preannotate.formats.parsing import (
    damaged_shape,
    declared_size,
    number,
    read_shape,
    read_text,
)
from preannotate.formats.records import (
    DAMAGED_FILE,
    FEW_POINTS,
    NO_BOX,
    NO_LABEL,
    NOT_UNDERSTOOD,
    DatasetError,
    EntryError,
    Export,
    Frame,
    LeftOutEntries,
    Shape,
)
from preannotate.formats.unsupported import EXPORT_OUTLINES, MASK_FOLDERS
from preannotate.formats.xml_file import read_xml, xml_root_tag

_ANNOTATION_FOLDERS = ("annotations", "labels", "xml", "xmls")
_IMAGE_FOLDERS = ("JPEGImages", "images", "")
_BACKGROUND = "background"
_MAX_LOOKS = 10
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_ROTATED = ("cx", "cy", "w", "h", "angle")


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has XML files whose root is `<annotation>`."""
    files = FileTree.of(folder)
    if any(True for _ in files.candidates(".xml", lambda path: xml_root_tag(files.file(path)) == "annotation")):
        return True
    named = [path for path in files.with_suffix(".xml") if files.file(path).parent.name.lower() in _ANNOTATION_FOLDERS]
    return any(xml_root_tag(files.file(path)) == "" for path in named[:_MAX_LOOKS])  # damaged: `read` says where


def read(folder: Path | FileTree, *, outlines: bool = False) -> Export:
    """Read all annotation files, and the images that have none as frames without shapes."""
    files = FileTree.of(folder)
    labelmaps = [path for path in files.paths if path.rpartition("/")[2] == "labelmap.txt"]
    labels: dict[str, None] = {}
    frames = []
    used: set[Path] = set()
    left_out = LeftOutEntries()
    damaged: list[DatasetError] = []
    for path in labelmaps:
        try:
            labels.update(dict.fromkeys(_declared_labels(files, path)))
        except DatasetError:  # the objects name their labels
            left_out.add(DAMAGED_FILE, path)
    for path in files.with_suffix(".xml"):
        root: Element | None = None
        try:
            root = read_xml(files.file(path))
        except DatasetError as error:
            damaged.append(error)
        if root is not None and root.tag != "annotation":
            left_out.add(NOT_UNDERSTOOD, path)
            continue
        frame, image = _frame(files, path, root, outlines)
        if root is None:
            frame = replace(frame, shapes=(damaged_shape(damaged[-1]),))
        labels.update(dict.fromkeys(shape.label for shape in frame.shapes if shape.label))
        if image in used:  # two files of one image, in two folders
            frame = replace(frame, subset=path.rpartition("/")[0] or path)
        frames.append(frame)
        if image is not None:
            used.add(image)
    if damaged and len(damaged) == len(frames):
        raise damaged[0]
    pictures = sum(map(_is_mask, files.paths))
    note = (
        f"{' and '.join(MASK_FOLDERS)}: {plural(pictures, 'picture')} of masks, which are not read. {EXPORT_OUTLINES}."
    )
    for name, image in files.images.below("", leaving_out=MASK_FOLDERS).unnamed(used):
        if not _is_mask(name):
            subset, name = _image_name(name)
            frames.append(Frame(name, image, (), subset=subset, **video_position(name, subset)))
    ordered = sorted(frames, key=lambda frame: (frame.name, frame.subset))
    return Export(tuple(labels), tuple(ordered), notes=(note,) if pictures else (), left_out=left_out.all())


def _is_mask(path: str) -> bool:
    return not set(MASK_FOLDERS).isdisjoint(path.split("/"))


def _declared_labels(files: FileTree, labelmap: str) -> list[str]:
    """Return the labels of CVAT's `label:r,g,b:parts:actions` lines; the background is no label."""
    lines = (line.strip() for line in read_text(files.file(labelmap)).splitlines())
    names = [line.rsplit(":", 3)[0] for line in lines if line and not line.startswith("#")]
    return [name for name in names if name != _BACKGROUND]


def _frame(files: FileTree, path: str, root: Element | None, outlines: bool) -> tuple[Frame, Path | None]:
    """Return the frame of an annotation file, and the image that it means; without shapes if it could not be read."""
    if root is None:
        root = Element("annotation")
    images = files.images_for(path, leaving_out=MASK_FOLDERS)
    stem = path.removeprefix(images.folder)[: -len(".xml")]
    parts = stem.split("/")
    stem = "/".join(parts[1:] if len(parts) > 1 and parts[0].lower() in _ANNOTATION_FOLDERS else parts)
    filename = (root.findtext("filename") or "").strip()
    found = images.find(stem, roots=_IMAGE_FOLDERS)
    if found.path is None and filename:
        named = images.find(filename, roots=_IMAGE_FOLDERS)
        found = named if named.path or not found.problem else found
    subset, name = _image_name(images.folder + (filename or stem))
    if found.path is not None:
        subset, image_name = _image_name(found.name)
        name = image_name if found.exact else stem
    shapes = tuple(
        read_shape(partial(_shape, element), f"{path}: object {index}", label=_label(element), outlines=outlines)
        for index, element in enumerate(root.findall("object"), 1)
    )
    frame = Frame(
        name,
        found.path,
        shapes,
        declared_size=declared_size(root.findtext("size/width"), root.findtext("size/height")),
        subset=subset,
        problem=found.problem,
        **video_position(name, subset),
    )
    return frame, found.path


def _image_name(path: str) -> tuple[str, str]:
    """Return the folder around the folder of images, and the name of the image in that, or its path."""
    parts = path.split("/")
    place = next((index for index, part in enumerate(parts[:-1]) if part in _IMAGE_FOLDERS), None)
    if place is None:
        return "", path
    return "/".join(parts[:place]), "/".join(parts[place + 1 :])


def _label(element: Element) -> str:
    return (element.findtext("name") or "").strip()


def _shape(element: Element) -> Shape:
    """Read an object: its box; a rotated one as roLabelImg writes it; or the box around its polygon."""
    label = _label(element)
    if element.find("bndbox") is not None:
        x1, y1, x2, y2 = (number(element.findtext(f"bndbox/{name}")) for name in _CORNERS)
        shape = box_shape(label, (x1, y1, x2, y2), _rotation(element))
        if element.find("polygon") is not None:
            shape = _with_polygon(shape, element)
    elif element.find("robndbox") is not None:
        cx, cy, width, height, radians = (number(element.findtext(f"robndbox/{name}")) for name in _ROTATED)
        shape = box_shape(label, centre_box(cx, cy, width, height), math.degrees(radians))
    else:
        shape = polygon_or_box(label, _polygon(element))
    return shape if label else replace(shape, problem=NO_LABEL)


def _with_polygon(shape: Shape, element: Element) -> Shape:
    """Return a box with the polygon beside it, which is what the box is drawn around."""
    try:
        polygon = polygon_or_box(shape.label, _polygon(element))
    except EntryError as error:
        return shape if str(error) == FEW_POINTS else replace(shape, outline=shape.outline or UNREADABLE)
    return shape if polygon.outline is None else replace(polygon, box=shape.box)


def _rotation(element: Element) -> float:
    for attribute in element.findall("attributes/attribute"):
        if attribute.findtext("name") == "rotation":
            return number(attribute.findtext("value"))
    return 0.0


def _polygon(element: Element) -> list[float]:
    """Return x1, y1, x2, y2, … of `<polygon>`, whose children are `<x1>`, `<y1>`, … or hold `<x>` and `<y>` each."""
    polygon = element.find("polygon")
    if polygon is None:
        raise EntryError(NO_BOX)
    found = [[number(part.text) for part in polygon.iter() if re.fullmatch(rf"{axis}\d*", part.tag)] for axis in "xy"]
    if len(found[0]) != len(found[1]):
        raise EntryError(NO_BOX)
    return [value for point in zip(*found, strict=True) for value in point]
