"""Untrusted files to Python values; every failure is a `DatasetError` that names the file."""

import codecs
import contextlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeElementTree

from preannotate.core import encodings
from preannotate.core.text import printable
from preannotate.formats.geometry import decode_coco_counts, run_length_box
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
MAX_XML_BYTES = 1 << 24
MAX_XML_DEPTH = 50
# In one `<image>` or `<track>`.
MAX_XML_ELEMENTS = 300_000
MAX_XML_PIECE = 1 << 25
_XML_FIRST_CHUNK = 1 << 14
_XML_CHUNK = 1 << 20
_LONGEST_WHOLE = 20
_LARGEST = 1e9
_XML_ENCODING = re.compile(rb"""(?:\xef\xbb\xbf)?\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_MANY_BYTES = (
    "utf-32",
    "utf32",
    "gb",
    "big5",
    "shift",
    "sjis",
    "euc",
    "cp932",
    "cp949",
    "ks_c",
    "iso-2022",
    "windows-31j",
)
_XML_ERRORS = (ParseError, DefusedXmlException, ValueError, LookupError, OSError)


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


def read_xml(path: Path) -> Element:
    """Return the root element of an XML file about one image."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _not_xml(path, error) from error
    if size > MAX_XML_BYTES:
        raise _not_xml(path, ValueError(f"{size} bytes, more than {MAX_XML_BYTES}"))
    root: Element | None = None
    for _, _, element in _xml_events(path):
        root = element if root is None else root
    if root is None:
        raise _not_xml(path, ValueError("no root element"))
    return root


def xml_elements(path: Path) -> Iterator[Element]:
    """Yield the children of the root, each complete and then forgotten.

    A project's export may be hundreds of megabytes: the tree is never held as a whole.
    """
    root: Element | None = None
    elements = 0
    for event, depth, element in _xml_events(path):
        root = element if root is None else root
        elements += event == "start"
        if elements > MAX_XML_ELEMENTS:
            raise _not_xml(path, ValueError(f"more than {MAX_XML_ELEMENTS} elements in one"))
        if event == "end" and depth == 1:
            yield element
            root.clear()
            elements = 0


def xml_root_tag(path: Path) -> str:
    """Return the name of the root element, or "" if the file is no XML."""
    with contextlib.suppress(DatasetError):
        for _, _, element in _xml_events(path):
            return element.tag
    return ""


def _xml_events(path: Path) -> Iterator[tuple[str, int, Element]]:
    """Yield "start" and "end", the depth after it, and the element.

    Declarations of a document type are refused: default values of attributes, like entities, turn kilobytes into
    gigabytes.
    A piece that does not end is read again with every chunk, so that chunks are large and pieces bounded.
    """
    depth = waiting = 0
    safe: dict[str, Any] = {"_parser": SafeElementTree.XMLParser(forbid_dtd=True)}
    parser: Any = XMLPullParser(("start", "end"), **safe)
    try:
        for chunk in _xml_chunks(path):
            parser.feed(chunk)
            waiting += len(chunk)
            for event, element in parser.read_events():
                waiting = 0
                depth += 1 if event == "start" else -1
                if depth > MAX_XML_DEPTH:
                    raise ParseError(f"more than {MAX_XML_DEPTH} elements inside one another")
                yield event, depth, element
            if waiting > MAX_XML_PIECE:
                raise ParseError(f"no element in {waiting} bytes")
        parser.close()
        yield from ((event, 0, element) for event, element in parser.read_events())
    except DatasetError:
        raise
    except _XML_ERRORS as error:
        raise _not_xml(path, error) from error


def _xml_chunks(path: Path) -> Iterator[bytes | str]:
    """Yield a file in pieces: as bytes where expat knows the encoding, else as text.

    Expat reads UTF-8, UTF-16 and code pages that are declared and have one byte a letter.
    """
    with path.open("rb") as file:
        chunk = file.read(_XML_FIRST_CHUNK)
        declared = _XML_ENCODING.match(chunk)
        name = declared[1].decode("ascii").lower() if declared else "utf-8"
        if chunk.startswith(_UTF32_MARKS):
            name = "utf-32"
        elif name == "utf-8" and path.stat().st_size <= MAX_XML_BYTES:
            data = chunk + file.read()
            text = data if _is_utf8(data) or b"\0" in data[:4] else encodings.decode_text(data)
            yield text[:_XML_FIRST_CHUNK]
            yield from (text[start : start + _XML_CHUNK] for start in range(_XML_FIRST_CHUNK, len(text), _XML_CHUNK))
            return
        decoder = codecs.getincrementaldecoder(name)() if name.startswith(_MANY_BYTES) else None
        while chunk:
            yield decoder.decode(chunk) if decoder else chunk
            chunk = file.read(_XML_CHUNK)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # expat reads it by its mark
    return True


def _whole_or_float(text: str) -> float:
    return int(text) if len(text) <= _LONGEST_WHOLE else float(text)


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
    **fields: Any,
) -> Shape:
    """Return the shape that `read` returns, or, if it cannot be understood, one with its problem.

    Args:
        read: Reads one entry; may raise `EntryError`.
        where: Place of the entry in the annotation file.
        label: Its label, if that is known before.
        region: Returns its place for as much as can be read of it.
        **fields: Other attributes of the shape.
    """
    try:
        return replace(read(), where=where, **fields)
    except EntryError as error:
        return Shape(label, BOX, region(), problem=str(error), where=where, **fields)


def damaged_shape(error: DatasetError) -> Shape:
    """Return what stands for the shapes of one image whose own annotation file cannot be read."""
    return Shape("", BOX, None, problem=DAMAGED_FILE, where=str(error).partition(";")[0])


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


def coco_mask_box(mask: Mapping[str, Any]) -> Box | None:
    """Return the box of COCO's run-length mask: columns first, counts as numbers or as compressed text.

    `size` in the mask is (height, width).

    Raises:
        EntryError: The runs do not fill the mask.
    """
    try:
        counts = mask["counts"]
        if isinstance(counts, str):
            counts = decode_coco_counts(counts)
        height, width = (int(number(side)) for side in mask["size"])
        valid = min(height, width) > 0 and all(type(count) is int for count in counts)
        valid = valid and min(counts) >= 0 and sum(counts) == height * width
    except (KeyError, TypeError, ValueError):
        valid = False
    if not valid:
        raise EntryError(BAD_MASK)
    box = run_length_box(counts, minor=height)
    return None if box is None else (box[1], box[0], box[3], box[2])


def _not_xml(path: Path, error: Exception) -> DatasetError:
    problem = str(error) or type(error).__name__
    if isinstance(error, DefusedXmlException):
        problem = "a declaration of a document type, which is not read"
    return DatasetError(f"{path.name}: {problem}; expected XML. Export again.")
