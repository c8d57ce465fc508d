"""Datumaro 1.0: `annotations/<subset>.json` with items, images below `images/<subset>/`.

Sizes are (height, width) here, boxes x, y, width, height; a rotated box has an attribute `rotation`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import box_shape, centre_box, ellipse_shape, points_box, polygon_shape, size_box
from preannotate.formats.image_names import video_position
from preannotate.formats.images import ImageIndex
from preannotate.formats.parsing import (
    coco_mask_shape,
    declared_size,
    json_list,
    label_name,
    numbers,
    read_shape,
    rotation_attribute,
    whole_number,
)
from preannotate.formats.records import (
    BOX,
    NO_LABEL,
    NOT_UNDERSTOOD,
    TAG,
    UNKNOWN_CLASS,
    Box,
    DatasetError,
    EntryError,
    Export,
    Frame,
    LeftOutEntries,
    Shape,
)

_KEYS = {"categories", "items"}
# Datumaro's words for kinds that cannot become a box, where they differ from CVAT's.
_KINDS = {"label": TAG, "cuboid_2d": "cuboid", "cuboid_3d": "cuboid"}


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a JSON file with categories and items."""
    return any(True for _ in _item_files(FileTree.of(folder)))


def read(folder: Path | FileTree, *, outlines: bool = False) -> Export:
    """Read all subsets."""
    files = FileTree.of(folder)
    labels: dict[str, None] = {}
    frames: list[Frame] = []
    left_out = LeftOutEntries()
    parts = frozenset(PurePosixPath(name).stem for name in _item_files(files))
    for name in _item_files(files):
        path = files.file(name)
        try:
            content = files.json(name)
            names = _labels(content, path)
            items = json_list(content["items"], f"{path.name}: items")
        except DatasetError as error:
            left_out.add_file(error)
            continue
        labels.update(dict.fromkeys(filter(None, names)))
        images = files.images_for(name)
        for index, item in enumerate(items):
            if isinstance(item, dict) and isinstance(item.get("id"), int | str):
                frames.append(_frame(item, names, images, path, parts, outlines))
            else:
                left_out.add(NOT_UNDERSTOOD, f"{path.name}: items[{index}]")
    if left_out.damaged and not frames:
        raise left_out.damaged[0]
    return Export(tuple(labels), tuple(frames), left_out=left_out.all())


def _item_files(files: FileTree) -> Iterator[str]:
    yield from files.candidates(".json", lambda path: _has_items(files, path))


def _has_items(files: FileTree, path: str) -> bool:
    try:
        content = files.json(path)
    except DatasetError:  # damaged: `read` says where
        return files.file(path).parent.name == "annotations" and PurePosixPath(path).name == "default.json"
    return isinstance(content, dict) and content.keys() >= _KEYS and isinstance(content["items"], list)


def _labels(content: dict[str, Any], path: Path) -> list[str]:
    """Return the labels by their number; "" for one without a name."""
    categories = content["categories"] if isinstance(content["categories"], dict) else {}
    label_category = categories.get("label")
    listed = label_category.get("labels", []) if isinstance(label_category, dict) else []
    listed = json_list(listed, f"{path.name}: categories.label.labels")
    return [label_name(entry.get("name")) if isinstance(entry, dict) else "" for entry in listed]


def _frame(
    item: dict[str, Any],
    labels: list[str],
    images: ImageIndex,
    path: Path,
    parts: frozenset[str],
    outlines: bool,
) -> Frame:
    where = f"{path.name}: item {item['id']!r}"
    image = item["image"] if isinstance(item.get("image"), dict) else {}
    file_name = image.get("path")
    name = str(file_name if isinstance(file_name, str) and file_name else item["id"]).replace("\\", "/")
    size = image.get("size")
    height, width = size if isinstance(size, list) and len(size) == 2 else (None, None)
    found = images.find(name, roots=(f"images/{path.stem}", "images", ""), part=path.stem, parts=parts)
    return Frame(
        name,
        found.path,
        tuple(_shapes(item.get("annotations", []), labels, where, outlines)),
        problem=found.problem,
        declared_size=declared_size(width, height),
        subset=path.stem,
        **video_position(name, path.stem),
    )


def _shapes(annotations: Any, labels: list[str], where: str, outlines: bool) -> Iterator[Shape]:
    for index, annotation in enumerate(annotations if isinstance(annotations, list) else [annotations], 1):
        place = f"{where}, annotation {index}"
        if not isinstance(annotation, dict) or not isinstance(annotation.get("type"), str):
            yield Shape("", BOX, None, problem=NOT_UNDERSTOOD, where=place)
            continue
        number = whole_number(annotation.get("label_id"))
        label = labels[number] if number is not None and 0 <= number < len(labels) else None
        shape = read_shape(partial(_shape, annotation, label or ""), place, label=label or "", outlines=outlines)
        if shape.boxed and not label:
            shape = replace(shape, problem=UNKNOWN_CLASS if label is None else NO_LABEL)
        yield shape


def _shape(annotation: Mapping[str, Any], label: str) -> Shape:
    kind, points = annotation["type"], annotation.get("points")
    if kind == "mask":
        rle = annotation.get("rle")
        return coco_mask_shape(label, rle if isinstance(rle, dict) else {})
    if kind == "polygon":
        return polygon_shape(label, numbers(points))
    if kind == "ellipse":  # Datumaro stores the corners of its unrotated box
        x1, y1, x2, y2 = numbers(points, 4)
        return ellipse_shape(label, (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2)
    if kind == "rotated_bbox":
        cx, cy, width, height, degrees = numbers(points, 5)
        return box_shape(label, centre_box(cx, cy, width, height), degrees)
    if kind == "bbox":
        return box_shape(label, size_box(*numbers(annotation.get("bbox"), 4)), rotation_attribute(annotation))
    return Shape(label, _KINDS.get(kind, kind), _region(annotation))


def _region(annotation: Mapping[str, Any]) -> Box | None:
    """Return the box around a shape that cannot become a box, such as a polyline or a skeleton; None if it has none."""
    elements = annotation.get("elements")
    parts = [annotation, *(elements if isinstance(elements, list) else ())]
    found: list[float] = []
    for part in parts:
        try:
            values = numbers(part.get("points")) if isinstance(part, dict) and annotation["type"] != "cuboid_3d" else []
        except EntryError:
            continue
        found += values[: len(values) // 2 * 2]
    return points_box(found) if found else None
