"""Datumaro 1.0: `annotations/<subset>.json` with items, images below `images/<subset>/`.

Sizes are (height, width) here, boxes x, y, width, height; a rotated box has an attribute `rotation`.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import box_shape, centre_box, ellipse_box, points_box, size_box
from preannotate.formats.images import ImageIndex, video_position
from preannotate.formats.parsing import coco_mask_box, entries, number, rotation_attribute
from preannotate.formats.records import TAG, DatasetError, Export, Frame, Shape

_KEYS = {"categories", "items"}
# Datumaro's words for kinds that cannot become a box, where they differ from CVAT's.
_KINDS = {"label": TAG, "cuboid_2d": "cuboid", "cuboid_3d": "cuboid"}


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a JSON file with categories and items."""
    return any(True for _ in _item_files(FileTree.of(folder)))


def read(folder: Path | FileTree) -> Export:
    """Read all subsets."""
    files = FileTree.of(folder)
    labels: dict[str, None] = {}
    frames: list[Frame] = []
    parts = frozenset(PurePosixPath(name).stem for name in _item_files(files))
    for name in _item_files(files):
        path, content = files.file(name), files.json(name)
        names = _labels(content, path)
        labels.update(dict.fromkeys(names))
        images = files.images_for(name)
        items = entries(content["items"], ("id",), f"{path.name}: items")
        frames += [_frame(item, names, images, path, parts) for item in items]
    return Export(tuple(labels), tuple(frames))


def _item_files(files: FileTree) -> Iterator[str]:
    yield from files.candidates(".json", lambda path: _has_items(files, path))


def _has_items(files: FileTree, path: str) -> bool:
    try:
        content = files.json(path)
    except DatasetError:  # damaged: `read` says where
        return files.file(path).parent.name == "annotations" and PurePosixPath(path).name == "default.json"
    return isinstance(content, dict) and content.keys() >= _KEYS and isinstance(content["items"], list)


def _labels(content: dict[str, Any], path: Path) -> list[str]:
    categories = content["categories"] if isinstance(content["categories"], dict) else {}
    label_category = categories.get("label")
    listed = label_category.get("labels", []) if isinstance(label_category, dict) else []
    listed = entries(listed, ("name",), f"{path.name}: categories.label.labels")
    return [str(entry["name"]).strip() for entry in listed]


def _frame(item: dict[str, Any], labels: list[str], images: ImageIndex, path: Path, parts: frozenset[str]) -> Frame:
    where = f"{path.name}: item {item['id']!r}"
    image = item["image"] if isinstance(item.get("image"), dict) else {}
    name = str(image.get("path") or item["id"]).replace("\\", "/")
    annotations = entries(item.get("annotations", []), ("type",), f"{where}: annotations")
    shapes = tuple(_shape(a, labels, f"{where}, annotation {index}") for index, a in enumerate(annotations, 1))
    found = images.find(name, roots=(f"images/{path.stem}", "images", ""), part=path.stem, parts=parts)
    return Frame(
        name,
        found.path,
        shapes,
        ambiguous=found.problem,
        declared_size=_declared_size(image.get("size"), where),
        subset=path.stem,
        **video_position(name, path.stem),
    )


def _declared_size(size: Any, where: str) -> tuple[int, int] | None:
    if not isinstance(size, list) or len(size) != 2:
        return None
    height, width = (int(number(side, f"{where}: image size")) for side in size)
    return (width, height) if width > 0 and height > 0 else None


def _shape(annotation: dict[str, Any], labels: list[str], where: str) -> Shape:
    kind = str(annotation["type"])
    label_id = annotation.get("label_id")
    if kind not in ("bbox", "rotated_bbox", "polygon", "mask", "ellipse"):
        label = labels[label_id] if isinstance(label_id, int) and 0 <= label_id < len(labels) else ""
        return Shape(label, _KINDS.get(kind, kind), None)
    if not isinstance(label_id, int) or not 0 <= label_id < len(labels):
        raise DatasetError(f"{where} has label_id {label_id!r}; expected 0 to {len(labels) - 1}. Export again.")
    label = labels[label_id]
    if kind == "mask":
        rle = annotation.get("rle")
        return Shape(label, kind, coco_mask_box(rle if isinstance(rle, dict) else {}, where))
    if kind == "polygon":
        return Shape(label, kind, points_box(_numbers(annotation.get("points"), where, at_least=2)))
    if kind == "ellipse":  # Datumaro stores the corners of its unrotated box
        x1, y1, x2, y2 = _numbers(annotation.get("points"), where, at_least=4)[:4]
        return Shape(label, kind, ellipse_box((x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2))
    if kind == "rotated_bbox":
        cx, cy, width, height, degrees = _numbers(annotation.get("points"), where, at_least=5)[:5]
        return box_shape(label, centre_box(cx, cy, width, height), degrees)
    x, y, width, height = _numbers(annotation.get("bbox"), where, at_least=4)[:4]
    return box_shape(label, size_box(x, y, width, height), rotation_attribute(annotation, where))


def _numbers(values: Any, where: str, *, at_least: int) -> list[float]:
    if not isinstance(values, list) or len(values) < at_least or (at_least == 2 and len(values) % 2):
        raise DatasetError(f"{where} has coordinates {values!r}; expected {at_least} numbers or more. Export again.")
    return [number(value, f"{where}: a coordinate") for value in values]
