"""Untrusted files to Python values; every failure is a `DatasetError` that names the file."""

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from preannotate.core import encodings
from preannotate.core.text import printable
from preannotate.formats.geometry import decode_coco_counts, mask_shape
from preannotate.formats.outlines import RunLengths, packed
from preannotate.formats.records import (
    BAD_MASK,
    BOX,
    DAMAGED_FILE,
    NO_BOX,
    NO_NUMBERS,
    Box,
    DatasetError,
    EntryError,
    Shape,
)
from runtime import bounded_yaml

# Bounds of what is read before it is understood. The JSON of COCO's 118,000 images is 450 MB with 5 million lists.
MAX_TEXT_BYTES = 1 << 26
MAX_JSON_BYTES = 600 << 20
MAX_JSON_LISTS = 10_000_000
_LONGEST_WHOLE = 20
_LARGEST = 1e9


def read_text(path: Path, *, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return the text of a file, whatever its byte order mark; see `core.encodings`."""
    try:
        return encodings.read_text(path, max_bytes=max_bytes)
    except (OSError, encodings.EncodingError) as error:
        raise DatasetError(f"{path.name}: {error}; expected UTF-8 text. Save it as UTF-8.") from error


def read_json(path: Path) -> Any:
    """Return the file's JSON value; one odd number in it, of thousands of digits, is infinite."""
    text = read_text(path, max_bytes=MAX_JSON_BYTES)
    if text.count("[") + text.count("{") > MAX_JSON_LISTS:
        raise DatasetError(f"{path.name}: more than {MAX_JSON_LISTS} lists and objects; expected fewer. Divide it.")
    try:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise
        except ValueError:  # a whole number that Python refuses to convert
            return json.loads(text, parse_int=_whole_or_float)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path.name}: {error}; expected JSON. Export again.") from error


def read_yaml(path: Path) -> Any:
    """Return the file's YAML value; scalars are text as it was written, so that a name `yes` or `007` stays one."""
    text = read_text(path)
    try:
        return bounded_yaml.load(text, scalars_as_text=True)
    except ValueError as error:
        raise DatasetError(f"{path.name}: {printable(str(error))}; expected YAML. Export again.") from error


def number(value: Any, reason: str = NO_NUMBERS) -> float:
    """Return a finite number from text or JSON, at most a milliard: sums and products stay finite.

    Raises:
        EntryError: It is none; the message is `reason`.
    """
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if isinstance(value, bool) or not abs(result) <= _LARGEST:
        raise EntryError(reason)
    return result


def numbers(values: Any, count: int | None = None) -> list[float]:
    """Return the first `count` values of a JSON list, which has at least as many; all if it is None.

    Raises:
        EntryError: It has not, or they are no numbers.
    """
    if not isinstance(values, list) or len(values) < (count or 0):
        raise EntryError(NO_BOX)
    return [number(value) for value in values[:count]]


def whole_number(value: Any) -> int | None:
    """Return a whole number from text or JSON, such as "7" or 7.0; None if it is none."""
    with contextlib.suppress(EntryError):
        if (result := number(value)).is_integer():
            return int(result)
    return None


def declared_size(width: Any, height: Any) -> tuple[int, int] | None:
    """Return a size in pixels from text or JSON; None if it is missing, 0 or no number."""
    with contextlib.suppress(EntryError):
        size = int(number(width)), int(number(height))
        return size if min(size) > 0 else None
    return None


def label_name(value: Any) -> str:
    """Return a label from JSON or text without blanks around it; "" if there is none."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def read_shape(
    read: Callable[[], Shape],
    where: str,
    *,
    label: str = "",
    region: Callable[[], Box | None] = lambda: None,
    outlines: bool = False,
    **fields: Any,
) -> Shape:
    """Return the shape that `read` returns, or, if it cannot be understood, one with its problem.

    Args:
        read: Reads one entry; may raise `EntryError`.
        where: Place of the entry in the annotation file.
        label: Its label, if that is known before.
        region: Returns its place for as much as can be read of it.
        outlines: Keep its outline; otherwise nothing but the box is needed.
        **fields: Other attributes of the shape.
    """
    try:
        shape = read()
        return replace(shape, outline=packed(shape.outline) if outlines else None, where=where, **fields)
    except EntryError as error:
        return Shape(label, BOX, region(), problem=str(error), where=where, **fields)


def damaged_shape(error: DatasetError) -> Shape:
    """Return what stands for the shapes of one image whose own annotation file cannot be read."""
    return Shape("", BOX, None, problem=DAMAGED_FILE, where=error.place)


def json_list(value: Any, where: str) -> list[Any]:
    """Check that a JSON value is a list; messages begin with `where`: file, key."""
    if not isinstance(value, list):
        raise DatasetError(f"{where} is of type {type(value).__name__}; expected a list. Export again.")
    return value


def rotation_attribute(annotation: Mapping[str, Any]) -> float:
    """Return the angle in degrees that CVAT keeps as attribute `rotation` of a box; 0 if there is none."""
    attributes = annotation.get("attributes")
    rotation = attributes.get("rotation") if isinstance(attributes, dict) else None
    return number(rotation) if rotation else 0.0


def coco_mask_shape(label: str, mask: Mapping[str, Any]) -> Shape:
    """Return COCO's run-length mask as a shape: columns first, counts as numbers or as compressed text.

    `size` in the mask is (height, width).

    Raises:
        EntryError: The runs do not fill the mask.
    """
    try:
        counts = mask["counts"]
        if isinstance(counts, str):
            counts = decode_coco_counts(counts)
        height, width = (int(number(side)) for side in mask["size"])
        if not all(type(count) is int for count in counts):
            raise ValueError("runs that are no whole numbers")
        runs = RunLengths(counts, 0, 0, width, height, by_columns=True)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise EntryError(BAD_MASK) from None
    return mask_shape(label, runs)


def _whole_or_float(text: str) -> float:
    return int(text) if len(text) <= _LONGEST_WHOLE else float(text)
