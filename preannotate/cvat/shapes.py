"""Annotations of a job as shapes of its frames.

CVAT records where each shape comes from. A shape that a person moves, resizes or relabels in CVAT's page turns from
"auto" into "semi-auto", on servers before that source into "manual"; one that was reviewed and left unchanged
stays "auto", and so does one that another program changes.

Source: `computeNewSource` in cvat-core.
"""

import contextlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from preannotate.cvat.tasks import Job, Task
from preannotate.cvat.tracks import interpolate_track
from preannotate.formats.cvat_xml import CvatLabel, box_outline, coordinate
from preannotate.formats.geometry import ellipse_box, mask_box, points_box, rotated_box
from preannotate.formats.records import BOX, MANUAL, ROTATED_BOX, TAG, Box, Shape

CHECKED = "semi-auto"


def mark_checked(shape: Shape) -> Shape:
    """Return the shape as if a person had accepted it; CVAT itself has no mark for that."""
    return replace(shape, source=CHECKED) if shape.automatic else shape


def shapes_of_frames(task: Task, job: Job, annotations: Mapping[str, Any]) -> dict[int, tuple[Shape, ...]]:
    """Return the shapes of each frame (relative number), in the order of the annotations; tracks and tags last.

    Raises:
        KeyError: The annotations are not of the known form; also other exceptions of reading them.
    """
    found: dict[int, list[Shape]] = defaultdict(list)
    for shape in annotations["shapes"]:
        if not shape.get("outside"):
            found[shape["frame"]].append(_shape(task.labels, shape))
    for track in annotations["tracks"]:
        for shape in interpolate_track(track, stop=job.stop, deleted=task.deleted):
            found[shape["frame"]].append(_shape(task.labels, shape))
    for tag in annotations["tags"]:
        label = task.labels[tag["label_id"]].name
        found[tag["frame"]].append(Shape(label, TAG, None, source=tag.get("source", MANUAL)))
    return {frame: tuple(found[frame]) for frame in job.frames if frame in found}


def _shape(labels: Mapping[int, CvatLabel], shape: Mapping[str, Any]) -> Shape:
    kind, box, outline = _geometry(shape)
    return Shape(
        labels[shape["label_id"]].name,
        kind,
        box,
        source=shape.get("source", MANUAL),
        occluded=bool(shape.get("occluded")),
        outline=outline,
    )


def _geometry(shape: Mapping[str, Any]) -> tuple[str, Box | None, dict[str, str]]:
    """Return the kind, the box and the outline of CVAT's JSON; kinds that never become boxes have neither."""
    kind, points, rotation = shape["type"], shape["points"], shape.get("rotation") or 0.0
    turned = {"rotation": coordinate(rotation)} if rotation else {}
    if kind == "rectangle":
        x1, y1, x2, y2 = points
        box = x1, y1, x2, y2
        if rotation:
            return ROTATED_BOX, rotated_box(box, rotation), box_outline(box) | turned
        return BOX, box, {}
    if kind == "polygon":
        pairs = zip(points[::2], points[1::2], strict=True)
        return kind, points_box(points), {"points": ";".join(f"{coordinate(x)},{coordinate(y)}" for x, y in pairs)}
    if kind == "ellipse":
        cx, cy, right, top = points
        radii = {"cx": cx, "cy": cy, "rx": right - cx, "ry": cy - top}
        outline = {name: coordinate(value) for name, value in radii.items()} | turned
        return kind, ellipse_box(cx, cy, right - cx, cy - top, rotation), outline
    if kind == "mask":
        *counts, left, top, right, bottom = (int(value) for value in points)
        place = {"left": left, "top": top, "width": right - left + 1, "height": bottom - top + 1}
        mask: Box | None = None
        with contextlib.suppress(ValueError):  # runs that do not fill the mask: training names the shape
            mask = mask_box(counts, **place)
        return kind, mask, {"rle": ", ".join(map(str, counts))} | {name: str(value) for name, value in place.items()}
    return kind, None, {}
