"""The lines of YOLO's texts: class, box, and what some tools write in place of it or behind it."""

import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from preannotate.formats.geometry import centre_box, points_box, polygon_or_box
from preannotate.formats.parsing import damaged_shape, number, read_shape, read_text
from preannotate.formats.records import (
    BOX,
    NO_BOX,
    NO_LABEL,
    REPEATED,
    ROTATED_BOX,
    UNKNOWN_CLASS,
    Box,
    DatasetError,
    EntryError,
    Frame,
    Shape,
)

_OBB_NUMBERS = 8
# Of one image: more than 100,000 boxes.
_MAX_TEXT_BYTES = 1 << 23
IN_PIXELS = "in pixels, where numbers from 0 to 1 are expected"
# Fractions of an image whose object sticks out are hardly above 1; pixels hardly ever below.
_LARGEST_FRACTION = 2.0
# Of an image's side: numbers are written with few digits.
_ROUNDING = 0.01
# Beyond this part of lines in pixels, it is the set that is in pixels and not some odd lines.
_MOSTLY = 0.9
_DECIMAL_COMMA = re.compile(r"-?\d*,\d+")
_VISIBILITIES = (0.0, 1.0, 2.0)
# Labels among which a word is looked for, where a number is expected.
_MAX_NAMED = 200


def parse_labels(
    file: Path, path: str, labels: Sequence[str], *, pose: bool = False, outlines: bool = False
) -> tuple[Shape, ...]:
    """Read one image's file.

    A line is `class cx cy w h`, with a track's id, a score or both after it in some dialects; or `class` and the points
    of a polygon; four points are an oriented box. Of a pose, keypoints come after the box.

    Args:
        file: The text file.
        path: What it is called in the export.
        labels: Names of the classes; "" for one without a name.
        pose: Every line is a box with keypoints; otherwise only those with visibilities of keypoints are.
        outlines: As in `read_shape`.
    """
    try:
        text = read_text(file, max_bytes=_MAX_TEXT_BYTES)
    except DatasetError as error:
        return (damaged_shape(error),)
    shapes = []
    seen: set[tuple[str, ...]] = set()
    for index, line in enumerate(text.splitlines(), 1):
        words, where = _words(line), f"{path}: line {index}"
        if tuple(words) in seen:
            shapes.append(Shape("", BOX, None, problem=REPEATED, where=where))
        elif words:
            region = partial(_region, () if pose else words)
            read = partial(_shape, words, labels, pose)
            shapes.append(read_shape(read, where, region=region, outlines=outlines))
            seen.add(tuple(words))
    return tuple(shapes)


def refuse_pixels(frames: Iterable[Frame]) -> None:
    """Refuse a set whose numbers are pixels: whether of centres and sizes or of corners is not known.

    Raises:
        DatasetError: Nearly all lines are in pixels.
    """
    shapes = [shape for frame in frames for shape in frame.shapes if shape.boxed]
    in_pixels = [shape for shape in shapes if shape.problem == IN_PIXELS]
    if in_pixels and len(in_pixels) > _MOSTLY * len(shapes):
        raise DatasetError(
            f"{in_pixels[0].where}: numbers from 0 to 1 expected; these look like pixels. "
            f"Divide x and width by the image's width, y and height by its height."
        )


def _words(line: str) -> list[str]:
    """Return the numbers of a line, which some tools part with commas or semicolons; a decimal comma is a point."""
    line = line.partition("#")[0].replace('"', " ").replace("'", " ")
    words = line.replace(";", " ").split()
    if "," not in line:
        return words
    if len(words) > 1 and all(_DECIMAL_COMMA.fullmatch(word) for word in words if "," in word):
        return [word.replace(",", ".") for word in words]
    return line.replace(",", " ").replace(";", " ").split()


def _shape(words: Sequence[str], labels: Sequence[str], pose: bool) -> Shape:
    label = _label(words[0], labels)
    shape = _outline(label or "", words[1:], pose)
    if not label:
        return replace(shape, problem=UNKNOWN_CLASS if label is None else NO_LABEL)
    return shape


def _region(words: Sequence[str]) -> Box | None:
    """Return the box around the points of a polygon that are fractions; None for a box: all of its numbers count."""
    found = []
    for pair in zip(words[1::2], words[2::2], strict=False) if len(words) > _OBB_NUMBERS - 1 else ():
        with contextlib.suppress(EntryError):
            point = [number(word) for word in pair]
            _check_fractions(point)
            found += point
    return points_box(found) if found else None


def _label(word: str, labels: Sequence[str]) -> str | None:
    """Return the label of a class number, or a word that is a label and no number; None if it is neither."""
    try:
        class_id = number(word)
    except EntryError:
        return word if len(labels) <= _MAX_NAMED and word in labels else None
    return labels[int(class_id)] if class_id.is_integer() and 0 <= class_id < len(labels) else None


def _outline(label: str, words: Sequence[str], pose: bool) -> Shape:
    if len(words) < 4:
        raise EntryError(NO_BOX)
    values = [number(word) for word in (words[:4] if pose or len(words) == 5 else words)]
    is_followed_by_id = len(values) == 6 and words[5].isdigit() and _is_box_and_id(values)
    if len(values) == 4 or is_followed_by_id or _has_keypoints(values):
        _check_fractions(values[:4])
        cx, cy, width, height = values[:4]
        return Shape(label, BOX, centre_box(cx, cy, width, height))
    points = values[: len(values) // 2 * 2]  # an odd one is a track's id
    _check_fractions(points)
    shape = polygon_or_box(label, points)
    return replace(shape, kind=ROTATED_BOX) if len(points) == _OBB_NUMBERS else shape


def _check_fractions(values: Sequence[float]) -> None:
    if max(map(abs, values)) > _LARGEST_FRACTION:
        raise EntryError(IN_PIXELS)


def _is_box_and_id(values: Sequence[float]) -> bool:
    """Whether six numbers are a box, a score and a track's id, as Ultralytics saves them, and not three points.

    The last one is whole. Ids begin at 1; with a 1 at the end the numbers are a box if that lies in the image.
    """
    x1, y1, x2, y2 = centre_box(*values[:4])
    is_inside = min(x1, y1) >= -_ROUNDING and max(x2, y2) <= 1 + _ROUNDING
    return values[5] > 1 or (values[5] == 1 and is_inside)


def _has_keypoints(values: Sequence[float]) -> bool:
    """Whether x, y, visibility come after a box: no polygon has a 0, 1 or 2 in every third place, and a 2."""
    visibilities = values[6::3]
    return len(values) % 3 == 1 and 2.0 in visibilities and all(value in _VISIBILITIES for value in visibilities)
