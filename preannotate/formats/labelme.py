"""LabelMe: one JSON file beside each image, as LabelMe and its descendants (AnyLabeling, X-AnyLabeling, ISAT) write it.

Coordinates are pixels. A circle is given by its centre and a point on it; a mask by its box, with a picture in it.
"""

import math
import posixpath
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import MIN_POLYGON, ellipse_shape, is_upright_box, points_box, polygon_shape
from preannotate.formats.image_names import video_position
from preannotate.formats.images import ImageIndex, ImageMatch
from preannotate.formats.outlines import MAX_PICTURE, UNREADABLE, MaskPicture, Outline, Polygons
from preannotate.formats.parsing import damaged_shape, declared_size, label_name, numbers, read_shape
from preannotate.formats.records import (
    BOX,
    DAMAGED_FILE,
    NO_BOX,
    NO_LABEL,
    ROTATED_BOX,
    TAG,
    DatasetError,
    EntryError,
    Export,
    Frame,
    LeftOutEntries,
    Shape,
)

_KEYS = {"shapes", "imagePath"}
_EMBEDDED = "only inside its JSON file: save it with labelme_export_json"
_KINDS = {"rectangle": BOX, "rotation": ROTATED_BOX, "quadrilateral": "polygon", "circle": "ellipse",
          "point": "points", "line": "polyline", "linestrip": "polyline"}  # fmt: skip


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a JSON file with shapes and the path of an image."""
    files = FileTree.of(folder)
    return any(True for _ in files.candidates(".json", lambda path: _is_labelme(_json(files, path))))


def read(folder: Path | FileTree, *, outlines: bool = False) -> Export:
    """Read all JSON files, and the images that have none as frames without shapes."""
    files = FileTree.of(folder)
    labels: dict[str, None] = {}
    frames: list[Frame] = []
    left_out = LeftOutEntries()
    for path in files.with_suffix(".json"):
        images = files.images_for(path)
        try:
            content = files.json(path)
        except DatasetError as error:
            found = _find(images, path, "")
            if found.path is None:
                left_out.add(DAMAGED_FILE, path)
            else:
                frames.append(Frame(found.name, found.path, (damaged_shape(error),)))
            continue
        if _is_labelme(content):
            frames.append(_frame(content, path, images, outlines))
            labels.update(dict.fromkeys(shape.label for shape in frames[-1].shapes if shape.boxed and shape.label))
        files.forget()
    unnamed = files.images.unnamed({frame.image for frame in frames})
    frames += [Frame(name, image, (), **video_position(name)) for name, image in unnamed]
    frames.sort(key=lambda frame: frame.name)
    return Export(tuple(sorted(labels)), tuple(frames), left_out=left_out.all())


def _json(files: FileTree, path: str) -> Any:
    try:
        return files.json(path)
    except DatasetError:
        return None


def _is_labelme(content: Any) -> bool:
    return isinstance(content, dict) and content.keys() >= _KEYS and isinstance(content["shapes"], list)


def _frame(content: dict[str, Any], path: str, images: ImageIndex, outlines: bool) -> Frame:
    given = str(content["imagePath"] or "").replace("\\", "/")
    found = _find(images, path, given)
    problem = found.problem or (_EMBEDDED if found.path is None and content.get("imageData") else "")
    name = found.name if found.exact else path[: -len(".json")] + PurePosixPath(given).suffix
    shapes = []
    for index, entry in enumerate(content["shapes"], 1):
        shape = entry if isinstance(entry, dict) else {}
        label = label_name(shape.get("label"))
        where = f"{path}: shape {index}"
        shapes.append(read_shape(partial(_shape, shape, label), where, label=label, outlines=outlines))
    flags = content["flags"] if isinstance(content.get("flags"), dict) else {}
    shapes += [Shape(str(flag), TAG, None) for flag, is_set in flags.items() if is_set is True]
    size = declared_size(content.get("imageWidth"), content.get("imageHeight"))
    return Frame(name, found.path, tuple(shapes), size, problem=problem, **video_position(name))


def _find(images: ImageIndex, path: str, given: str) -> ImageMatch:
    """Return the image at the path that the file gives, else that with the file's own name, else one of the path's."""
    relative = path.removeprefix(images.folder)
    exact = posixpath.normpath(posixpath.join(posixpath.dirname(relative), given))
    if exact in images.paths:
        return images.find(exact)
    own = images.find(relative[: -len(".json")])
    if own.path is not None or not given:
        return own
    named = images.find(given)
    return named if named.path is not None or named.problem else own


def _shape(shape: dict[str, Any], label: str) -> Shape:
    given = str(shape.get("shape_type") or "polygon")
    kind = _KINDS.get(given, given)
    if not label:
        raise EntryError(NO_LABEL)
    pairs = shape.get("points")
    points = [value for pair in (pairs if isinstance(pairs, list) else []) for value in numbers(pair, 2)]
    if kind == "polygon":
        return polygon_shape(label, points)
    if kind not in (BOX, ROTATED_BOX, "ellipse", "mask"):
        return Shape(label, kind, points_box(points) if points else None)
    if len(points) < 4:
        raise EntryError(NO_BOX)
    if kind == "ellipse":
        radius = math.dist(points[:2], points[2:4])
        return ellipse_shape(label, points[0], points[1], radius, radius)
    return Shape(label, kind, points_box(points), outline=_outline(kind, points, shape.get("mask")))


def _outline(kind: str, points: list[float], picture: Any) -> Outline | None:
    if kind == "mask":
        if not isinstance(picture, str) or len(picture) > MAX_PICTURE:
            return UNREADABLE
        left, top, *_ = points_box(points)
        return MaskPicture(picture, round(left), round(top))
    is_turned = kind == ROTATED_BOX and len(points) >= MIN_POLYGON and not is_upright_box(points)
    return Polygons((points,)) if is_turned else None
