"""Annotations of a job as shapes of its frames.

CVAT records where each shape comes from. A shape that a person moves, resizes or relabels in CVAT's page turns from
"auto" into "semi-auto", on servers before that source into "manual"; one that was reviewed and left unchanged
stays "auto", and so does one that another program changes.

Source: `computeNewSource` in cvat-core.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from preannotate.cvat.tasks import Job, Task
from preannotate.formats.cvat_xml import CvatLabel
from preannotate.formats.geometry import box_shape, ellipse_shape, mask_shape, points_box
from preannotate.formats.outlines import Polygons, RunLengths
from preannotate.formats.records import MANUAL, TAG, EntryError, Shape

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
    label = labels[shape["label_id"]].name
    found = _geometry(label, shape)
    return replace(found, source=shape.get("source", MANUAL), occluded=bool(shape.get("occluded")))


def _geometry(label: str, shape: Mapping[str, Any]) -> Shape:
    """Return a shape of CVAT's JSON; kinds that never become boxes have neither a box nor an outline."""
    kind, points, rotation = shape["type"], shape["points"], shape.get("rotation") or 0.0
    if kind == "rectangle":
        x1, y1, x2, y2 = points
        return box_shape(label, (x1, y1, x2, y2), rotation)
    if kind == "polygon":
        if len(points) % 2:
            raise ValueError(f"polygon of {len(points)} numbers")
        return Shape(label, kind, points_box(points), outline=Polygons.of([points]))
    if kind == "ellipse":
        cx, cy, right, top = points
        return ellipse_shape(label, cx, cy, right - cx, cy - top, rotation)
    if kind == "mask":
        *counts, left, top, right, bottom = (int(value) for value in points)
        mask = RunLengths(tuple(counts), left, top, right - left + 1, bottom - top + 1)
        try:
            return replace(mask_shape(label, mask), outline=mask)
        except EntryError:  # runs that do not fill the mask: training names the shape
            return Shape(label, kind, None, outline=mask)
    return Shape(label, kind, None)


Json = dict[str, Any]
_STRAIGHT = ("rectangle", "ellipse", "cuboid")


def interpolate_track(track: dict[str, Any], *, stop: int, deleted: Collection[int] = ()) -> Iterator[Json]:
    """The shapes of a track, one for each frame on which it can be seen.

    Args:
        track: CVAT's JSON; its `shapes` are the key frames.
        stop: Last frame of the job, inclusive.
        deleted: Frames whose key frames do not count.

    Yields:
        The key frames' JSON with `frame`, `points` and `rotation` of each frame, and the track's label and source.
    """
    keys = sorted((shape for shape in track["shapes"] if shape["frame"] not in deleted), key=lambda key: key["frame"])
    whole = {"label_id": track["label_id"], "source": track.get("source", "manual")}
    for key, following in pairwise([*keys, None]):
        if key["outside"] or key["frame"] > stop:
            continue
        yield key | whole
        end = stop + 1 if following is None else min(following["frame"], stop + 1)
        for frame in range(key["frame"] + 1, end):
            if (shape := _between(key, following, frame)) is not None:
                yield shape | whole


def _between(key: Json, following: Json | None, frame: int) -> Json | None:
    """The shape on a frame after `key` and before `following`, which is None behind the last key frame."""
    if key["type"] == "mask":
        return None
    if following is None:
        return key | {"frame": frame}
    if following["type"] != key["type"]:
        return None
    offset = (frame - key["frame"]) / (following["frame"] - key["frame"])
    if key["type"] in _STRAIGHT:
        turn = (following.get("rotation", 0) - key.get("rotation", 0) + 180) % 360 - 180
        rotation = (key.get("rotation", 0) + turn * offset) % 360
        return key | {
            "frame": frame,
            "points": _mean(key["points"], following["points"], offset),
            "rotation": rotation,
        }
    if key["type"] == "polygon":
        corners = _mean(points_box(key["points"]), points_box(following["points"]), offset)
        return key | {"frame": frame, "type": "rectangle", "points": corners, "rotation": 0.0}
    return key | {"frame": frame}  # of no use but to be counted


def _mean(first: Sequence[float], second: Sequence[float], offset: float) -> list[float]:
    return [a + (b - a) * offset for a, b in zip(first, second, strict=True)]
