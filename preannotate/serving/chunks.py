"""The body of a request that comes in chunks (RFC 9112, 7.1), without extensions."""

import re

from preannotate.serving.request_head import END, MAX_BYTES, BadRequestError, parse_fields

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_SIZE_LINE_BYTES = 10
# A chunk costs time whatever its size; honest clients send kilobytes in each.
_FREE_CHUNKS, _LEAST_BYTES = 4096, 64


class ChunkedBody:
    """Takes the bytes of a body out of what the client sent; `ended` once all of it has come."""

    def __init__(self) -> None:
        """Begin before the first chunk."""
        self.ended = False
        self._left = 0  # of the chunk
        self._in_chunk = self._in_trailer = False
        self._chunks = self._bytes = 0

    def take(self, data: memoryview) -> tuple[int, list[bytes]]:
        """Read as much as can be; returns how many bytes were read, and the pieces of the body in them.

        Raises:
            BadRequestError: These are no chunks.
        """
        at, pieces = 0, []
        while not self.ended:
            if self._left:
                if not (piece := bytes(data[at : at + self._left])):
                    break
                pieces.append(piece)
                at, self._left = at + len(piece), self._left - len(piece)
                self._bytes += len(piece)
                continue
            used = self._line(bytes(data[at : at + (MAX_BYTES if self._in_trailer else _SIZE_LINE_BYTES)]))
            if not used:
                break
            at += used
        return at, pieces

    def _line(self, data: bytes) -> int:
        """Read the end of a chunk, the size of the next, or what follows the last; 0 if it is not all there."""
        if self._in_trailer:
            return self._trailer(data)
        if self._in_chunk:
            if not b"\r\n".startswith(data[:2]):
                raise BadRequestError("a chunk is longer than it says; expected CR LF behind it")
            self._in_chunk = len(data) < 2
            return 0 if self._in_chunk else 2
        size, end, _ = data.partition(b"\r\n")
        if not end and len(data) < _SIZE_LINE_BYTES and _SIZE.fullmatch(size.removesuffix(b"\r") or b"0"):
            return 0
        if not end or not _SIZE.fullmatch(size):
            raise BadRequestError("the size of a chunk is wrong; expected up to 8 hexadecimal digits and no extension")
        self._left = int(size, 16)
        self._in_chunk, self._in_trailer = self._left > 0, self._left == 0
        self._chunks += 1
        if self._chunks > _FREE_CHUNKS and self._bytes < self._chunks * _LEAST_BYTES:
            raise BadRequestError("too many small chunks; expected larger ones")
        return len(size) + 2

    def _trailer(self, data: bytes) -> int:
        if data.startswith(b"\r\n"):
            self.ended = True
            return 2
        fields, end, _ = data.partition(END)
        if end:
            parse_fields(fields)  # and throw them away
            self.ended = True
            return len(fields) + len(END)
        if len(data) >= MAX_BYTES:
            raise BadRequestError("the trailer is too long; expected less")
        return 0
