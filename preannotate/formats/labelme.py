"""LabelMe: one JSON file beside each image, as LabelMe and its descendants (AnyLabeling, X-AnyLabeling, ISAT) write it.

Coordinates are pixels. A circle is given by its centre and a point on it; a mask by its box, with a picture in it.
"""

import math
import posixpath
from pathlib import Path, PurePosixPath
from typing import Any

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import ellipse_box, points_box
from preannotate.formats.images import ImageIndex, ImageMatch, video_position
from preannotate.formats.parsing import number
from preannotate.formats.records import BOX, ROTATED_BOX, TAG, Box, DatasetError, Export, Frame, LeftOut, Shape

_KEYS = {"shapes", "imagePath"}
_EMBEDDED = "only inside its JSON file: save it with labelme_export_json"
_KINDS = {"rectangle": BOX, "rotation": ROTATED_BOX, "quadrilateral": "polygon", "circle": "ellipse"}
_BOXLESS = {"point": "points", "points": "points", "line": "polyline", "linestrip": "polyline"}
# A file in which these cannot be read is no file of LabelMe, or none that can be used.
_UNREADABLE = "JSON file that cannot be read"
_NO_POINTS = "shape without points that can be read"


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a JSON file with shapes and the path of an image."""
    files = FileTree.of(folder)
    return any(True for _ in files.candidates(".json", lambda path: _is_labelme(_json(files, path))))


def read(folder: Path | FileTree) -> Export:
    """Read all JSON files, and the images that have none as frames without shapes."""
    files = FileTree.of(folder)
    labels: dict[str, None] = {}
    frames: list[Frame] = []
    left_out: list[LeftOut] = []
    for path in files.with_suffix(".json"):
        content = _json(files, path)
        if not _is_labelme(content):
            if content is None:
                left_out.append(LeftOut(_UNREADABLE, path))
            continue
        frames.append(_frame(content, path, files.images_for(path)))
        labels.update(dict.fromkeys(shape.label for shape in frames[-1].shapes if shape.kind != TAG))
        files.forget()
    used = {frame.image for frame in frames}
    frames += [
        Frame(name, image, (), **video_position(name))
        for name, image in files.images.paths.items()
        if image not in used
    ]
    frames.sort(key=lambda frame: frame.name)
    return Export(tuple(sorted(labels)), tuple(frames), left_out=tuple(left_out))


def _json(files: FileTree, path: str) -> Any:
    try:
        return files.json(path)
    except DatasetError:
        return None


def _is_labelme(content: Any) -> bool:
    return isinstance(content, dict) and content.keys() >= _KEYS and isinstance(content["shapes"], list)


def _frame(content: dict[str, Any], path: str, images: ImageIndex) -> Frame:
    given = str(content["imagePath"] or "").replace("\\", "/")
    found = _find(images, path, given)
    problem = found.problem or (_EMBEDDED if found.path is None and content.get("imageData") else "")
    name = found.name or posixpath.join(posixpath.dirname(path), PurePosixPath(given).name)
    shapes = [
        _shape(shape if isinstance(shape, dict) else {}, f"{path}: shape {index}")
        for index, shape in enumerate(content["shapes"], 1)
    ]
    flags = content["flags"] if isinstance(content.get("flags"), dict) else {}
    shapes += [Shape(str(flag), TAG, None) for flag, is_set in flags.items() if is_set is True]
    return Frame(name, found.path, tuple(shapes), _declared_size(content), ambiguous=problem, **video_position(name))


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


def _declared_size(content: dict[str, Any]) -> tuple[int, int] | None:
    sides = [content.get(side) for side in ("imageWidth", "imageHeight")]
    width, height = (int(side) if isinstance(side, int | float) and math.isfinite(side) else 0 for side in sides)
    return (width, height) if width > 0 and height > 0 else None


def _shape(shape: dict[str, Any], where: str) -> Shape:
    label = str(shape.get("label") or "").strip()
    given = str(shape.get("shape_type") or "polygon")
    kind = _BOXLESS.get(given) or _KINDS.get(given, given)
    if kind not in (BOX, ROTATED_BOX, "polygon", "ellipse", "mask"):
        return Shape(label, kind, None, where=where)
    try:
        return Shape(label, kind, _box(shape.get("points"), kind, where), where=where)
    except DatasetError:
        return Shape(label, kind, None, problem=_NO_POINTS, where=where)


def _box(points: Any, kind: str, where: str) -> Box:
    """Return the box around points; a DatasetError if they are too few or no numbers."""
    pairs = points if isinstance(points, list) else []
    values = [number(value, where) for pair in pairs if isinstance(pair, list) for value in pair[:2]]
    if len(values) < (6 if kind in ("polygon", ROTATED_BOX) else 4) or len(values) % 2:
        raise DatasetError(_NO_POINTS)
    if kind == "ellipse":
        radius = math.dist(values[:2], values[2:4])
        return ellipse_box(values[0], values[1], radius, radius)
    return points_box(values)
