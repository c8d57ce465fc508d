"""GIF: blocks up to the first picture."""

import struct

from runtime.image_headers.header import Header, refuse_count

# Pieces of comments and other extensions, of at most 255 bytes.
MAX_BLOCKS = 20_000
_EXTENSION, _PICTURE = b"!", b","


def read_header(data: bytes) -> Header:
    """Read the size of the screen, widened by the first picture if that reaches beyond."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + ((3 << ((flags & 7) + 1)) if flags & 128 else 0)
    blocks = 0
    while data[position : position + 1] != _PICTURE:
        kind, position = data[position : position + 1], position + 1
        if kind == _EXTENSION:
            position += 1
            while length := data[position]:
                position += 1 + length
                blocks += 1
                if blocks > MAX_BLOCKS:
                    raise refuse_count("blocks before the first picture of a GIF", MAX_BLOCKS)
            position += 1
        elif not kind or kind == b";":
            raise ValueError("no picture")
        blocks += 1
        if blocks > MAX_BLOCKS:
            raise refuse_count("blocks before the first picture of a GIF", MAX_BLOCKS)
    left, top, across, down = struct.unpack_from("<HHHH", data, position + 1)
    return Header((max(width, left + across), max(height, top + down)))
