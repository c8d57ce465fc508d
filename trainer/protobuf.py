"""The wire format of protocol buffers: fields of a message, without its schema and without building objects.

Libraries build an object for each message, and two bytes in a stranger's file are a message: 32 MB of them took 3.4 GB.
Here a message stays a view of the file's bytes, and the fields of a file are counted.

Reference: https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10


class Message:
    """A message of a file, or another field whose length is given; all of one file share `max_fields`.

    Reading raises a ValueError for what is no message, and after `max_fields` fields.

    Attributes:
        content: Its bytes, as they lie in the file.
    """

    def __init__(self, content: memoryview, max_fields: int) -> None:
        self.content = content
        self._left = [max_fields]

    def fields(self) -> Iterator[tuple[int, "int | Message"]]:
        """Yield number and value of each field: an int for a varint, else its bytes as a `Message`."""
        position, content = 0, self.content
        while position < len(content):
            self._count()
            key, position = _varint(content, position)
            number, kind = key >> 3, key & 7
            if kind == VARINT:
                value, position = _varint(content, position)
                yield number, value
                continue
            if kind == BYTES:
                size, position = _varint(content, position)
            elif kind in _FIXED_SIZES:
                size = _FIXED_SIZES[kind]
            else:
                raise ValueError("cannot be read")
            if size > len(content) - position:
                raise ValueError("is cut off")
            yield number, self._part(content[position : position + size])
            position += size

    def varints(self) -> Iterator[int]:
        """Yield the numbers of a packed field."""
        position = 0
        while position < len(self.content):
            self._count()
            value, position = _varint(self.content, position)
            yield value

    def text(self) -> str:
        """Return the content as text."""
        return self.content.tobytes().decode("utf-8", "replace")

    def _part(self, content: memoryview) -> "Message":
        part = Message(content, 0)
        part._left = self._left
        return part

    def _count(self) -> None:
        self._left[0] -= 1
        if self._left[0] < 0:
            raise ValueError("too many fields")


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """Return the number at a position, and the position behind it."""
    value = 0
    for index in range(_LONGEST_VARINT):
        if position + index >= len(content):
            raise ValueError("is cut off")
        byte = content[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError("cannot be read")
