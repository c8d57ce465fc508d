"""Annotations of a job as shapes of its frames, in the form in which they are written."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from preannotate.cvat.tasks import Job, Task
from preannotate.cvat.tracks import interpolated
from preannotate.formats.cvat_xml_writer import CvatLabel, CvatShape, number

AUTOMATIC, CHECKED = "auto", "semi-auto"
_BOXED = ("box", "polygon", "ellipse", "mask")
TAG = "tag"


def is_boxed(shape: CvatShape) -> bool:
    """Whether a shape is a box or becomes one."""
    return shape.tag in _BOXED


def is_untouched(shape: CvatShape) -> bool:
    """Whether a model drew a shape and nobody changed it.

    CVAT says where each shape comes from. A shape that a person moves, resizes or relabels in CVAT's page turns from
    "auto" into "semi-auto", on servers before that source into "manual"; one that was looked at and found right
    stays "auto", and so does one that another program changes.

    Source: `computeNewSource` in cvat-core.
    """
    return shape.source == AUTOMATIC


def checked(shape: CvatShape) -> CvatShape:
    """The shape as if a person had found it right; CVAT itself has no mark for that."""
    return replace(shape, source=CHECKED) if is_untouched(shape) else shape


def shapes_of_frames(task: Task, job: Job, annotations: Mapping[str, Any]) -> dict[int, tuple[CvatShape, ...]]:
    """Frame (relative) to its shapes, in the order of the annotations; tracks and tags behind the shapes.

    Raises:
        KeyError: The annotations are not of the known form; also other exceptions of reading them.
    """
    found: dict[int, list[CvatShape]] = defaultdict(list)
    for shape in annotations["shapes"]:
        if not shape.get("outside"):
            found[shape["frame"]].append(_shape(task.labels, shape))
    for track in annotations["tracks"]:
        for shape in interpolated(track, stop=job.stop, deleted=task.deleted):
            found[shape["frame"]].append(_shape(task.labels, shape))
    for tag in annotations["tags"]:
        found[tag["frame"]].append(CvatShape(TAG, task.labels[tag["label_id"]].name, {}, tag.get("source", "manual")))
    return {frame: tuple(found[frame]) for frame in job.frames if frame in found}


def _shape(labels: Mapping[int, CvatLabel], shape: Mapping[str, Any]) -> CvatShape:
    tag, geometry = _geometry(shape)
    label = labels[shape["label_id"]].name
    return CvatShape(tag, label, geometry, shape.get("source", "manual"), bool(shape.get("occluded")))


def _geometry(shape: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Name of the XML element, and its attributes; kinds that never become boxes are written without theirs."""
    kind, points = shape["type"], shape["points"]
    turned = {"rotation": number(shape["rotation"])} if shape.get("rotation") else {}
    if kind == "rectangle":
        corners = zip(("xtl", "ytl", "xbr", "ybr"), map(number, points), strict=True)
        return "box", dict(corners) | turned
    if kind == "polygon":
        pairs = zip(points[::2], points[1::2], strict=True)
        return kind, {"points": ";".join(f"{number(x)},{number(y)}" for x, y in pairs)}
    if kind == "ellipse":
        cx, cy, right, top = points
        radii = {"cx": cx, "cy": cy, "rx": right - cx, "ry": cy - top}
        return kind, {name: number(value) for name, value in radii.items()} | turned
    if kind == "mask":
        *counts, left, top, right, bottom = (int(value) for value in points)
        place = {"left": left, "top": top, "width": right - left + 1, "height": bottom - top + 1}
        return kind, {"rle": ", ".join(map(str, counts))} | {name: str(value) for name, value in place.items()}
    return kind, {}
