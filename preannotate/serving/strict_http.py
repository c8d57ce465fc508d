"""h11 with a strict reading of where a request ends.

Where a proxy stands in front, both must agree on that, or one client's bytes become another's request. h11 accepts what
older parsers did: lines that end in a bare LF, folded headers, a length repeated or beside chunks, extensions of
chunks. Here each of these is an error (RFC 9112 allows it), with status 400 and the end of the connection.
"""

import re

import h11
from h11._receivebuffer import ReceiveBuffer

_SIZE_LINE = re.compile(rb"[0-9A-Fa-f]{1,8}\r\n")
_FRAMING = (b"content-length", b"transfer-encoding")
# A chunk costs time whatever its size; honest clients send kilobytes in each.
_FREE_CHUNKS, _LEAST_BYTES = 4096, 64


class StrictConnection(h11.Connection):
    """The server's side of a connection."""

    def __init__(self, max_incomplete_event_size: int) -> None:
        """Prepare a connection; the argument bounds a head that has not come to its end, in bytes."""
        super().__init__(h11.SERVER, max_incomplete_event_size)
        self._receive_buffer = _StrictBuffer()

    def next_event(self) -> "h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]":
        """As h11's, but a request of another version than 1.0 and 1.1, or chunks in 1.0, are errors."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            chunks = any(name == b"transfer-encoding" for name, _ in event.headers)
            if event.http_version not in (b"1.0", b"1.1") or (chunks and event.http_version == b"1.0"):
                raise h11.RemoteProtocolError("unexpected version of HTTP")
        return event


class _StrictBuffer(ReceiveBuffer):
    """What came and was not read yet."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks = self._bytes = 0

    def maybe_extract_at_most(self, count: int) -> bytearray | None:
        """Take up to `count` bytes of a body; all that is there is handed on without a copy."""
        self._bytes += min(count, len(self._data))
        if self._data and count >= len(self._data):
            taken, self._data = self._data, bytearray()
            self._next_line_search = self._multiple_lines_search = 0
            return taken
        return super().maybe_extract_at_most(count)

    def maybe_extract_next_line(self) -> bytearray | None:
        """Take the line with the size of a chunk."""
        line = super().maybe_extract_next_line()
        if line is None:
            return None
        self._chunks += 1
        if not _SIZE_LINE.fullmatch(line):
            raise h11.LocalProtocolError("the size of a chunk with something beside it")
        if self._chunks > _FREE_CHUNKS and self._bytes < self._chunks * _LEAST_BYTES:
            raise h11.LocalProtocolError("too many small chunks")
        return line

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Take a head, or what follows the last chunk."""
        self._chunks = self._bytes = 0
        whole = bytes(self._data[: self._data.find(b"\r\n\r\n") + 2])
        empty = self._data.startswith(b"\r\n")
        lines = super().maybe_extract_lines()
        if lines is None or (not lines and empty):
            return lines
        if whole != b"".join(b"%s\r\n" % line for line in lines):
            raise h11.LocalProtocolError("a line that ends without CR LF")
        if any(line[:1] in (b" ", b"\t") for line in lines):
            raise h11.LocalProtocolError("a folded header")
        fields = [line.partition(b":") for line in lines]
        lengths = [value for name, _, value in fields if name.lower() in _FRAMING]
        if len(lengths) > 1 or any(b"," in value for value in lengths):
            raise h11.LocalProtocolError("more than one length of the body")
        return lines
