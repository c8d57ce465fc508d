"""Tracks to shapes: CVAT keeps key frames, and what lies between them is computed.

The rules are CVAT's own: between two key frames the points of rectangles and ellipses go in straight lines and
their rotation the shorter way round; after the last one nothing moves; from an `outside` key frame on the object is
not to be seen until the next; masks stand on their key frames only; a key frame on a deleted frame does not count.
Between key frames a polygon becomes its box, whose sides go in straight lines: CVAT morphs the outline, and a box
is all that is learnt from it.

Source: `TrackManager.get_interpolated_shapes` of CVAT, and pull request 8834 for deleted frames.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any

from preannotate.formats.geometry import points_box

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
