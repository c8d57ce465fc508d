"""Untrusted files to Python values; every failure is a `DatasetError` that names the file."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import yaml
from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeElementTree

from preannotate.core import encodings
from preannotate.formats.geometry import decode_coco_counts, run_length_box
from preannotate.formats.records import Box, DatasetError

_XML_ERRORS = (ParseError, DefusedXmlException, ValueError, LookupError, OSError)


def read_text(path: Path) -> str:
    """Return the text of a file, whatever its byte order mark; see `core.encodings`."""
    try:
        return encodings.read_text(path)
    except (OSError, encodings.EncodingError) as error:
        raise DatasetError(f"{path.name}: {error}; expected UTF-8 text. Save it as UTF-8.") from error


def read_json(path: Path) -> Any:
    """Return the file's JSON value."""
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path.name}: {error}; expected JSON. Export again.") from error


def read_yaml(path: Path) -> Any:
    """Return the file's YAML value; only plain data, never objects."""
    text = read_text(path)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise DatasetError(f"{path.name}: {problem}; expected YAML. Export again.") from error


def read_xml(path: Path) -> Element:
    """Return the root element of an XML file."""
    try:
        root: Element | None = SafeElementTree.parse(path).getroot()
    except _XML_ERRORS as error:
        raise _not_xml(path, error) from error
    if root is None:
        raise _not_xml(path, ValueError("no root element"))
    return root


def xml_elements(path: Path) -> Iterator[Element]:
    """Yield the children of the root, each complete and then forgotten.

    A project's export may be hundreds of megabytes: the tree is never held as a whole.
    """
    depth, root = 0, None
    try:
        for event, element in SafeElementTree.iterparse(path, events=("start", "end")):
            depth += 1 if event == "start" else -1
            root = element if root is None else root
            if event == "end" and depth == 1:
                yield element
                root.clear()
    except _XML_ERRORS as error:
        if isinstance(error, DatasetError):
            raise
        raise _not_xml(path, error) from error


def xml_root_tag(path: Path) -> str:
    """Return the name of the root element, or "" if the file is no XML."""
    try:
        for _, element in SafeElementTree.iterparse(path, events=("start",)):
            return element.tag
    except _XML_ERRORS:
        pass
    return ""


def number(value: Any, where: str) -> float:
    """Return a finite number from text or JSON; messages begin with `where`: file, image, shape, attribute."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        result = math.nan
    if isinstance(value, bool) or not math.isfinite(result):
        raise DatasetError(f"{where} is {value!r}; expected a finite number. Correct the shape or export again.")
    return result


def entries(value: Any, keys: tuple[str, ...], where: str) -> list[dict[str, Any]]:
    """Check a JSON list of objects that all have `keys`; those that end in "id" are numbers or text."""
    if not isinstance(value, list):
        raise DatasetError(f"{where} is of type {type(value).__name__}; expected a list. Export again.")
    for index, entry in enumerate(value):
        missing = [key for key in keys if key not in entry] if isinstance(entry, dict) else list(keys)
        if missing:
            raise DatasetError(f"{where}[{index}] has no {', '.join(missing)}; expected it. Export again.")
        for key in keys:
            if key.endswith("id") and not isinstance(entry[key], int | str):
                raise DatasetError(
                    f"{where}[{index}] has {key} {entry[key]!r}; expected a number or text. Export again."
                )
    return value


def rotation_attribute(annotation: dict[str, Any], where: str) -> float:
    """Return the angle in degrees that CVAT keeps as attribute `rotation` of a box; 0 if there is none."""
    attributes = annotation.get("attributes")
    rotation = attributes.get("rotation") if isinstance(attributes, dict) else None
    return number(rotation, f"{where}: rotation") if rotation else 0.0


def coco_mask_box(mask: dict[str, Any], where: str) -> Box | None:
    """Return the box of COCO's run-length mask: columns first, counts as numbers or as compressed text.

    `size` in the mask is (height, width).
    """
    try:
        counts = mask["counts"]
        if isinstance(counts, str):
            counts = decode_coco_counts(counts)
        height, width = (int(side) for side in mask["size"])
        valid = min(height, width) > 0 and min(counts) >= 0 and sum(counts) == height * width
    except (KeyError, TypeError, ValueError):
        valid = False
    if not valid:
        raise DatasetError(
            f"{where}: a mask whose runs do not fill its size; expected height x width pixels. "
            f"Draw it again or export again."
        )
    box = run_length_box(counts, minor=height)
    return None if box is None else (box[1], box[0], box[3], box[2])


def _not_xml(path: Path, error: Exception) -> DatasetError:
    problem = str(error) or type(error).__name__
    return DatasetError(f"{path.name}: {problem}; expected XML. Export again.")
