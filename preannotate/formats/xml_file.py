"""XML of strangers: bounded in size, depth and elements, piece by piece, in whatever encoding it was saved."""

import codecs
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeElementTree

from preannotate.core import encodings
from preannotate.formats.records import DatasetError

MAX_BYTES = 1 << 24
MAX_DEPTH = 50
# In one `<track>` or `<image>`, or in a file about one image. A track through an hour of video has 108,000 boxes, each
# with an element for every attribute; 600,000 take about 450 MB.
MAX_ELEMENTS = 600_000
MAX_PIECE = 1 << 25
_FIRST_CHUNK = 1 << 14
_CHUNK = 1 << 20
_ENCODING = re.compile(rb"""(?:\xef\xbb\xbf)?\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
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
_ERRORS = (ParseError, DefusedXmlException, ValueError, LookupError, OSError)


def read_xml(path: Path) -> Element:
    """Return the root element of an XML file about one image."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _not_xml(path, error) from error
    if size > MAX_BYTES:
        raise _not_xml(path, ValueError(f"{size} bytes, more than {MAX_BYTES}"))
    root: Element | None = None
    for count, (_, _, element) in enumerate(_events(path), 1):
        root = element if root is None else root
        if count > 2 * MAX_ELEMENTS:  # a start and an end of each
            raise _not_xml(path, ValueError(f"more than {MAX_ELEMENTS} elements"))
    if root is None:
        raise _not_xml(path, ValueError("no root element"))
    return root


def xml_elements(path: Path) -> Iterator[Element]:
    """Yield the children of the root, each complete and then forgotten.

    A project's export may be hundreds of megabytes: the tree is never held as a whole.
    """
    root: Element | None = None
    elements = 0
    for event, depth, element in _events(path):
        root = element if root is None else root
        elements += event == "start"
        if elements > MAX_ELEMENTS:
            raise _not_xml(path, ValueError(f"more than {MAX_ELEMENTS} elements in one"))
        if event == "end" and depth == 1:
            yield element
            root.clear()
            elements = 0


def xml_root_tag(path: Path) -> str:
    """Return the name of the root element, or "" if the file is no XML."""
    with contextlib.suppress(DatasetError):
        for _, _, element in _events(path):
            return element.tag
    return ""


def _events(path: Path) -> Iterator[tuple[str, int, Element]]:
    """Yield "start" and "end", the depth after it, and the element.

    Declarations of a document type are refused: default values of attributes, like entities, turn kilobytes into
    gigabytes.
    A piece that does not end is read again with every chunk, so that chunks are large and pieces bounded.
    """
    depth = waiting = 0
    safe: dict[str, Any] = {"_parser": SafeElementTree.XMLParser(forbid_dtd=True)}
    parser: Any = XMLPullParser(("start", "end"), **safe)
    try:
        for chunk in _chunks(path):
            parser.feed(chunk)
            waiting += len(chunk)
            for event, element in parser.read_events():
                waiting = 0
                depth += 1 if event == "start" else -1
                if depth > MAX_DEPTH:
                    raise ParseError(f"more than {MAX_DEPTH} elements inside one another")
                yield event, depth, element
            if waiting > MAX_PIECE:
                raise ParseError(f"no element in {waiting} bytes")
        parser.close()
        yield from ((event, 0, element) for event, element in parser.read_events())
    except DatasetError:
        raise
    except _ERRORS as error:
        raise _not_xml(path, error) from error


def _chunks(path: Path) -> Iterator[bytes | str]:
    """Yield a file in pieces: as bytes where expat knows the encoding, else as text.

    Expat reads UTF-8, UTF-16 and code pages that are declared and have one byte a letter.
    """
    with path.open("rb") as file:
        chunk = file.read(_FIRST_CHUNK)
        declared = _ENCODING.match(chunk)
        name = declared[1].decode("ascii").lower() if declared else "utf-8"
        if chunk.startswith(_UTF32_MARKS):
            name = "utf-32"
        elif name == "utf-8" and path.stat().st_size <= MAX_BYTES:
            data = chunk + file.read()
            text = data if _is_utf8(data) or b"\0" in data[:4] else encodings.decode_text(data)
            yield text[:_FIRST_CHUNK]
            yield from (text[start : start + _CHUNK] for start in range(_FIRST_CHUNK, len(text), _CHUNK))
            return
        decoder = codecs.getincrementaldecoder(name)() if name.startswith(_MANY_BYTES) else None
        while chunk:
            yield decoder.decode(chunk) if decoder else chunk
            chunk = file.read(_CHUNK)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # expat reads it by its mark
    return True


def _not_xml(path: Path, error: Exception) -> DatasetError:
    problem = str(error) or type(error).__name__
    if isinstance(error, DefusedXmlException):
        problem = "a declaration of a document type, which is not read"
    return DatasetError(f"{path.name}: {problem}; expected XML. Export again.")
