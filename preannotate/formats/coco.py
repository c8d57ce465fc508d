"""COCO 1.0: `annotations/instances_<subset>.json`, images below `images/`.

CVAT writes a rotated box as its unrotated corners with an attribute `rotation`, and every brush mask
with `iscrowd: 1`, so crowds count like other objects. Shapes without an area are not in this format.
Scores are those of COCO's results; pycocotools reads them.
"""

import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import box_shape, points_box, polygon_or_box, size_box
from preannotate.formats.image_names import split_of, video_position
from preannotate.formats.images import ImageIndex
from preannotate.formats.outlines import (
    UNREADABLE,
    MaskPicture,
    Outline,
    RunLengths,
    column_runs,
    polygon_area,
)
from preannotate.formats.parsing import (
    coco_mask_shape,
    declared_size,
    json_list,
    label_name,
    number,
    numbers,
    read_shape,
    rotation_attribute,
    whole_number,
)
from preannotate.formats.records import (
    BAD_MASK_SIZE,
    FEW_POINTS,
    NO_BOX,
    NO_LABEL,
    NOT_UNDERSTOOD,
    REPEATED,
    UNKNOWN_CLASS,
    UNKNOWN_IMAGE,
    Box,
    DatasetError,
    EntryError,
    Export,
    Frame,
    LeftOutEntries,
    Shape,
)

_FILE_NAME = "annotations/instances_default.json"
# A file of keypoints has the same images and boxes as the one of instances beside it.
_OTHER_TASKS = ("person_keypoints",)
# Names of files that are alike in each folder.
_NO_SUBSET = ("annotations", "instances", "labels", "coco", "result", "")
_KEYS = {"images", "annotations", "categories"}
_SHARED_ID = "of an id that two images or two categories share"


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a JSON file with images, annotations and categories."""
    return any(True for _ in _instance_files(FileTree.of(folder)))


def read(folder: Path | FileTree, *, outlines: bool = False) -> Export:
    """Read all subsets, wherever they lie."""
    files = FileTree.of(folder)
    labels: dict[str, None] = {}
    frames: list[Frame] = []
    left_out = LeftOutEntries()
    for name in _instance_files(files):
        try:
            file = _File(files.file(name), files.json(name), left_out, outlines)
        except DatasetError as error:
            left_out.add_file(error)
            continue
        labels.update(dict.fromkeys(label for label in file.labels.values() if label))
        frames += file.frames(files.images_for(name))
    if left_out.damaged and not frames:
        raise left_out.damaged[0]
    return Export(tuple(labels), tuple(frames), left_out=left_out.all())


def write(export: Export) -> dict[str, bytes]:
    """Return `annotations/instances_default.json` with the boxes of all shapes that have one, and their outlines.

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
                annotations.append(ids | _annotation(shape, shape.box, frame.declared_size))
    categories = [{"id": index, "name": label, "supercategory": ""} for label, index in category_ids.items()]
    content = {"categories": categories, "images": images, "annotations": annotations}
    return {_FILE_NAME: (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()}


def _annotation(shape: Shape, box: Box, size: tuple[int, int]) -> dict[str, Any]:
    x1, y1, x2, y2 = (round(value, 2) for value in box)
    width, height = round(x2 - x1, 2), round(y2 - y1, 2)
    score = {} if shape.score is None else {"score": round(shape.score, 6)}
    area: float = round(width * height, 4)
    segmentation: Any = []
    if shape.outline is not None:
        area, segmentation = _segmentation(shape.outline, size)
    return {"bbox": [x1, y1, width, height], "area": area, "iscrowd": 0, "segmentation": segmentation, **score}


def _segmentation(outline: Outline, size: tuple[int, int]) -> tuple[float, Any]:
    """Return the area and the segmentation of an outline in an image of `size` (width, height).

    Runs have `iscrowd` 0 all the same: evaluators leave crowds out, and each is one object here.
    """
    match outline:
        case RunLengths():
            counts = column_runs(outline, size)
            return sum(counts[1::2]), {"counts": counts, "size": [size[1], size[0]]}
        case MaskPicture():
            raise ValueError("MaskPicture: COCO has polygons and runs")
        case _:
            parts = outline.polygons().parts
            area = sum(polygon_area(part) for part in parts)
            return round(area, 2), [[round(value, 2) for value in part] for part in parts]


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


class _File:
    """The entries of one JSON file; those that are not understood are added to `left_out`.

    Attributes:
        labels: Id of a category to its label; "" for a category without a name or an id that occurs twice.
    """

    def __init__(self, path: Path, content: Any, left_out: LeftOutEntries, outlines: bool) -> None:
        if not isinstance(content, dict) or not content.keys() >= _KEYS:
            raise DatasetError(f"{path.name}: no {', '.join(sorted(_KEYS))}; expected COCO instances. Export again.")
        self.path = path
        self.left_out = left_out
        self.outlines = outlines
        self.labels: dict[Hashable, str] = {}
        self._problems: dict[Hashable, str] = {}
        self._images = self._by_id(content["images"])
        self._read_categories(content["categories"])
        self._annotations = json_list(content["annotations"], f"{path.name}: annotations")

    def frames(self, images: ImageIndex) -> Iterator[Frame]:
        """Yield a frame for each image; one that is listed twice under its name has the shapes of both."""
        shapes = self._shapes()
        merged: dict[str, tuple[dict[str, Any], list[Shape]]] = {}
        for image_id, records in self._images.items():
            for name, record in records.items():
                first, found = merged.setdefault(name, (record, []))
                found += shapes[image_id] if first is record else _others(shapes[image_id], found)
        subset = _subset(self.path)
        roots = ("images", f"images/{subset}", subset, "")
        for name, (record, found) in merged.items():
            match = images.find(name, roots=roots, part=split_of(self.path))
            yield Frame(
                name,
                match.path,
                tuple(found),
                problem=match.problem,
                declared_size=_size(record),
                subset=subset,
                **video_position(name, subset),
            )

    def _by_id(self, value: Any) -> dict[Hashable, dict[str, dict[str, Any]]]:
        """Return the images by id and name."""
        found: dict[Hashable, dict[str, dict[str, Any]]] = {}
        for index, record in enumerate(json_list(value, f"{self.path.name}: images")):
            image_id = _id(record.get("id")) if isinstance(record, dict) else None
            name = record.get("file_name") if isinstance(record, dict) else None
            if image_id is None or not isinstance(name, str) or not name.strip():
                self.left_out.add(NOT_UNDERSTOOD, f"{self.path.name}: images[{index}]")
            else:
                found.setdefault(image_id, {}).setdefault(name, record)
        return found

    def _read_categories(self, value: Any) -> None:
        for index, category in enumerate(json_list(value, f"{self.path.name}: categories")):
            category_id = _id(category.get("id")) if isinstance(category, dict) else None
            if category_id is None:
                self.left_out.add(NOT_UNDERSTOOD, f"{self.path.name}: categories[{index}]")
                continue
            label = label_name(category.get("name"))
            if self.labels.setdefault(category_id, label) != label:
                self._problems[category_id], self.labels[category_id] = _SHARED_ID, ""
            elif not label:
                self._problems[category_id] = NO_LABEL

    def _shapes(self) -> dict[Hashable, list[Shape]]:
        found: dict[Hashable, list[Shape]] = {image_id: [] for image_id in self._images}
        seen: dict[Hashable, dict[str, Any]] = {}
        named: dict[Hashable, Hashable] = {name: key for key, records in self._images.items() for name in records}
        for index, annotation in enumerate(self._annotations):
            if not isinstance(annotation, dict):
                self.left_out.add(NOT_UNDERSTOOD, f"{self.path.name}: annotations[{index}]")
                continue
            own_id = annotation.get("id", index)
            where = f"{self.path.name}: annotation {own_id if isinstance(own_id, int | str) else index}"
            image_id = _id(annotation.get("image_id"))
            image_id = named.get(image_id, image_id) if image_id not in found else image_id
            if image_id not in found:
                self.left_out.add(UNKNOWN_IMAGE, where)
                continue
            category_id = _id(annotation.get("category_id"))
            label = self.labels.get(category_id, "")
            known = _id(annotation.get("id"))
            first = annotation if known is None else seen.setdefault(known, annotation)
            if first is not annotation and first == annotation:
                self.left_out.add(REPEATED, where)
                continue
            size = next(map(_size, self._images[image_id].values()))
            shape = read_shape(partial(_shape, annotation, label, size), where, label=label, outlines=self.outlines)
            problem = _SHARED_ID if len(self._images[image_id]) > 1 else self._problems.get(category_id, "")
            problem = problem or ("" if category_id in self.labels else UNKNOWN_CLASS)
            found[image_id].append(replace(shape, problem=problem) if problem else shape)
        return found


def _subset(path: Path) -> str:
    """Return what is after `instances_` in the file's name, or the folder's name where that says nothing."""
    stem = path.stem.removeprefix("instances_").removesuffix(".coco").strip("_")
    return path.parent.name if stem in _NO_SUBSET and path.parent.name != "annotations" else stem


def _size(record: Mapping[str, Any]) -> tuple[int, int] | None:
    return declared_size(record.get("width"), record.get("height"))


def _id(value: Any) -> Hashable:
    """Return an id such that 7, 7.0 and "7" are equal; None if it is none."""
    whole = whole_number(value)
    return (value if isinstance(value, str) else None) if whole is None else whole


def _others(shapes: list[Shape], known: list[Shape]) -> list[Shape]:
    """Return those of `shapes` that are not among `known`."""
    seen = {(shape.label, shape.kind, shape.box) for shape in known}
    return [shape for shape in shapes if shape.box is None or (shape.label, shape.kind, shape.box) not in seen]


def _shape(annotation: Mapping[str, Any], label: str, size: tuple[int, int] | None) -> Shape:
    """Read an annotation: its segmentation if that has an area, else its box."""
    segmentation, bbox = annotation.get("segmentation"), annotation.get("bbox")
    try:
        outline = _outline(label, segmentation, size)
    except EntryError as error:
        if not _has_area(bbox):
            raise
        shape = _box_shape(annotation, label)  # beside a mask or polygon that cannot be read
        return shape if str(error) == FEW_POINTS else replace(shape, outline=shape.outline or UNREADABLE)
    if outline is not None and not (_has_area(bbox) and (outline.problem or _is_empty(outline.box))):
        return outline
    if not _has_area(bbox) and (points := _keypoints(annotation)):
        return Shape(label, "skeleton", points_box(points))
    shape = _box_shape(annotation, label)
    is_lost = outline is not None and not outline.problem
    return replace(shape, outline=shape.outline or UNREADABLE) if is_lost else shape


def _outline(label: str, segmentation: Any, size: tuple[int, int] | None) -> Shape | None:
    if isinstance(segmentation, dict):
        height, width = numbers(segmentation.get("size"), 2)
        if size is not None and (width, height) != size:
            raise EntryError(BAD_MASK_SIZE)
        return coco_mask_shape(label, segmentation)
    if not isinstance(segmentation, list) or not segmentation:
        return None
    parts = segmentation if isinstance(segmentation[0], list) else [segmentation]  # some tools write it flat
    return polygon_or_box(label, *(numbers(part) for part in parts))


def _box_shape(annotation: Mapping[str, Any], label: str) -> Shape:
    if "bbox" in annotation and isinstance(annotation["bbox"], list) and len(annotation["bbox"]) > 4:
        raise EntryError(NO_BOX)  # centre, size and angle in some tools: not what stands here
    shape = box_shape(label, size_box(*numbers(annotation.get("bbox"), 4)), rotation_attribute(annotation))
    score = annotation.get("score")
    return shape if score is None else replace(shape, score=number(score))


def _has_area(bbox: Any) -> bool:
    try:
        return all(numbers(bbox, 4)[2:])
    except EntryError:
        return False


def _is_empty(box: Box | None) -> bool:
    return box is None or box[0] == box[2] or box[1] == box[3]


def _keypoints(annotation: Mapping[str, Any]) -> list[float]:
    """Return x and y of the keypoints that are there, of COCO's x, y, visibility; [] if there are none."""
    values = annotation.get("keypoints")
    try:
        flat = numbers(values)
    except EntryError:
        return []
    triples = zip(flat[0::3], flat[1::3], flat[2::3], strict=False)
    return [value for x, y, visibility in triples if visibility for value in (x, y)]
