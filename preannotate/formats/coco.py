"""COCO 1.0: `annotations/instances_<subset>.json`, images below `images/`.

CVAT writes a rotated box as its unrotated corners with an attribute `rotation`, and every brush mask
with `iscrowd: 1`, so crowds count like other objects. Shapes without an area are not in this format.
Scores are those of COCO's results; pycocotools reads them.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import box_shape, points_box, size_box
from preannotate.formats.images import ImageIndex, split_of, video_position
from preannotate.formats.parsing import coco_mask_box, entries, number, rotation_attribute
from preannotate.formats.records import Box, DatasetError, Export, Frame, Shape

_FILE_NAME = "annotations/instances_default.json"
# A file of keypoints has the same images and boxes as the one of instances beside it.
_OTHER_TASKS = ("person_keypoints",)
_KEYS = {"images", "annotations", "categories"}


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a JSON file with images, annotations and categories."""
    return any(True for _ in _instance_files(FileTree.of(folder)))


def read(folder: Path | FileTree) -> Export:
    """Read all subsets, wherever they lie."""
    files = FileTree.of(folder)
    labels: dict[str, None] = {}
    frames: list[Frame] = []
    for name in _instance_files(files):
        path, content = files.file(name), files.json(name)
        names = _labels(content, path)
        labels.update(dict.fromkeys(names.values()))
        frames += _frames(content, names, files.images_for(name), path)
    return Export(tuple(labels), tuple(frames))


def write(export: Export) -> dict[str, bytes]:
    """Return `annotations/instances_default.json` with the boxes of all shapes that have one.

    Args:
        export: Each frame has a declared size and boxes in pixels; the category of the first label has id 1.
    """
    category_ids = {label: index for index, label in enumerate(export.labels, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, frame in enumerate(export.frames, 1):
        if frame.declared_size is None:
            raise ValueError(f"{frame.name}: no declared size")
        width, height = frame.declared_size
        images.append({"id": image_id, "file_name": frame.name, "width": width, "height": height})
        for shape in frame.shapes:
            if shape.box is not None:
                ids = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category_ids[shape.label]}
                annotations.append(ids | _annotation(shape, shape.box))
    categories = [{"id": index, "name": label, "supercategory": ""} for label, index in category_ids.items()]
    content = {"categories": categories, "images": images, "annotations": annotations}
    return {_FILE_NAME: (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()}


def _annotation(shape: Shape, box: Box) -> dict[str, Any]:
    x1, y1, x2, y2 = (round(value, 2) for value in box)
    width, height = round(x2 - x1, 2), round(y2 - y1, 2)
    score = {} if shape.score is None else {"score": round(shape.score, 6)}
    area = round(width * height, 4)
    return {"bbox": [x1, y1, width, height], "area": area, "iscrowd": 0, "segmentation": [], **score}


def _instance_files(files: FileTree) -> Iterator[str]:
    """Yield files with COCO's keys; keypoints and panoptic files count only if there are no others."""
    found = False
    others = []
    for path in files.candidates(".json", lambda path: _is_instances(files, path)):
        if PurePosixPath(path).name.startswith(_OTHER_TASKS):
            others.append(path)
        else:
            found = True
            yield path
    if not found:
        yield from others


def _is_instances(files: FileTree, path: str) -> bool:
    name = PurePosixPath(path).name
    if name.startswith((".", "captions", "panoptic", "image_info")):
        return False
    try:
        content = files.json(path)
    except DatasetError:
        return name.startswith("instances_")  # damaged: `read` names the place
    return isinstance(content, dict) and content.keys() >= _KEYS and isinstance(content["categories"], list)


def _labels(content: dict[str, Any], path: Path) -> dict[Any, str]:
    if not isinstance(content, dict) or not content.keys() >= _KEYS:
        raise DatasetError(f"{path.name}: no {', '.join(sorted(_KEYS))}; expected COCO instances. Export again.")
    categories = entries(content["categories"], ("id", "name"), f"{path.name}: categories")
    return {category["id"]: str(category["name"]).strip() for category in categories}


def _frames(content: dict[str, Any], labels: dict[Any, str], images: ImageIndex, path: Path) -> Iterator[Frame]:
    records = entries(content["images"], ("id", "file_name"), f"{path.name}: images")
    shapes: dict[Any, list[Shape]] = {record["id"]: [] for record in records}
    annotations = entries(content["annotations"], ("image_id", "category_id"), f"{path.name}: annotations")
    for index, annotation in enumerate(annotations):
        where = f"{path.name}: annotation {annotation.get('id', index)}"
        if annotation["image_id"] not in shapes:
            raise DatasetError(
                f"{where} has image_id {annotation['image_id']!r}; expected one of images. Export again."
            )
        if annotation["category_id"] not in labels:
            raise DatasetError(
                f"{where} has category_id {annotation['category_id']!r}; expected one of categories. Export again."
            )
        shapes[annotation["image_id"]].append(_shape(annotation, labels[annotation["category_id"]], where))
    subset = path.stem.removeprefix("instances_")
    for record in records:
        name = str(record["file_name"])
        roots = ("images", f"images/{subset}", subset, "")
        found = images.find(name, roots=roots, part=split_of(path))
        yield Frame(
            name,
            found.path,
            tuple(shapes[record["id"]]),
            ambiguous=found.problem,
            declared_size=_declared_size(record, f"{path.name}: image {name!r}"),
            subset=subset,
            **video_position(name, subset),
        )


def _declared_size(record: dict[str, Any], where: str) -> tuple[int, int] | None:
    width, height = (int(number(record.get(side) or 0, f"{where}: {side}")) for side in ("width", "height"))
    return (width, height) if width > 0 and height > 0 else None


def _shape(annotation: dict[str, Any], label: str, where: str) -> Shape:
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        return Shape(label, "mask", coco_mask_box(segmentation, where))
    if isinstance(segmentation, list) and segmentation:
        parts = segmentation if isinstance(segmentation[0], list) else [segmentation]  # some tools write it flat
        values = [number(value, f"{where}: segmentation") for part in parts for value in _list(part, where)]
        if len(values) >= 2 and len(values) % 2 == 0:
            return Shape(label, "polygon", points_box(values))
    box = _box(annotation.get("bbox"), where)
    shape = box_shape(label, box, rotation_attribute(annotation, where))
    score = annotation.get("score")
    return shape if score is None else replace(shape, score=number(score, f"{where}: score"))


def _list(part: Any, where: str) -> list[Any]:
    if not isinstance(part, list):
        raise DatasetError(f"{where} has segmentation {part!r}; expected lists of numbers. Export again.")
    return part


def _box(bbox: Any, where: str) -> Box:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise DatasetError(f"{where} has bbox {bbox!r}; expected x, y, width, height. Export again.")
    x, y, width, height = (number(value, f"{where}: bbox") for value in bbox)
    return size_box(x, y, width, height)
