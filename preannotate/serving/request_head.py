"""The head of an HTTP/1.1 request, read by the grammar of RFC 9112 and nothing beyond it.

Where a proxy stands in front, both must agree where a request ends, or one client's bytes become another's request.
Common parsers accept what older ones did: lines that end in a bare LF, folded lines, a length repeated or beside
chunks. Here each of these is an error, and an error ends the connection.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

MAX_BYTES = 16 * 1024
END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/(1\.[01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_NO_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")


class BadRequestError(ValueError):
    """What was sent is no HTTP request; one sentence says why."""


@dataclass(frozen=True)
class RequestHead:
    """A request without its body.

    Attributes:
        version: "1.0" or "1.1".
        headers: Names in lower case, in their order.
        length: Bytes of the body; None if it comes in chunks.
        keeps_alive: Whether the client wants to send another request.
        wants_continue: Whether it waits for "100 Continue" before it sends the body.
    """

    method: str
    path: str
    raw_path: bytes
    query: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    length: int | None
    keeps_alive: bool
    wants_continue: bool


def check_beginning(data: bytes | bytearray) -> None:
    """Raise a BadRequestError if no head can begin so, before its end has come: nobody waits for the rest of TLS."""
    if data and (data[0] < 0x21 or data[0] > 0x7E):
        raise BadRequestError("no method at the beginning; expected HTTP/1.1, unencrypted")
    if (number := data.find(b"\n")) >= 0 and data[number - 1 : number] != b"\r":
        raise BadRequestError("a line ends without CR; expected CR LF")


def parse(data: bytes) -> RequestHead:
    """Read a head, without the empty line behind it.

    Raises:
        BadRequestError: It is none, or leaves open where the request ends.
    """
    check_beginning(data)
    first, _, rest = data.partition(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise BadRequestError("the first line is wrong; expected METHOD PATH HTTP/1.1")
    headers = parse_fields(rest) if rest else []
    named: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        named.setdefault(name, []).append(value)
    version = line[3].decode("ascii")
    hosts = len(named.get(b"host", ()))
    if hosts > 1 or (not hosts and version == "1.1"):
        raise BadRequestError(f"{hosts} Host headers; expected one")
    tokens = {token.strip().lower() for value in named.get(b"connection", ()) for token in value.split(b",")}
    raw_path, _, query = line[2].partition(b"?")
    return RequestHead(
        method=line[1].decode("ascii"),
        path=unquote(raw_path.decode("ascii")),
        raw_path=raw_path,
        query=query,
        version=version,
        headers=headers,
        length=_length(named, version),
        keeps_alive=b"close" not in tokens if version == "1.1" else b"keep-alive" in tokens,
        wants_continue=version == "1.1" and named.get(b"expect", [b""])[0].lower() == b"100-continue",
    )


def parse_fields(data: bytes) -> list[tuple[bytes, bytes]]:
    """Read the lines of headers; raises BadRequestError."""
    if _NO_LINE_END.search(data):
        raise BadRequestError("a line ends without CR or LF; expected CR LF")
    return [_field(line) for line in data.split(b"\r\n")]


def _field(line: bytes) -> tuple[bytes, bytes]:
    if line[:1] in (b" ", b"\t"):
        raise BadRequestError("a header is folded; expected each on one line")
    field = _FIELD.fullmatch(line)
    if field is None:
        raise BadRequestError("a header is wrong; expected NAME: VALUE")
    return field[1].lower(), field[2].rstrip(b" \t")


def _length(named: dict[bytes, list[bytes]], version: str) -> int | None:
    lengths, encodings = named.get(b"content-length", []), named.get(b"transfer-encoding", [])
    if lengths and encodings:
        raise BadRequestError("Content-Length and Transfer-Encoding; expected one of them")
    if len(lengths) > 1:
        raise BadRequestError(f"{len(lengths)} Content-Length headers; expected one")
    if encodings:
        if version == "1.0" or [value.lower() for value in encodings] != [b"chunked"]:
            raise BadRequestError("an unknown Transfer-Encoding; expected chunked, in HTTP/1.1")
        return None
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise BadRequestError("Content-Length is no number of bytes; expected one")
    return int(lengths[0]) if lengths else 0
