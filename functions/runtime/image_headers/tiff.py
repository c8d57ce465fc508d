"""TIFF: the tags of the first page, which Pillow turns into lists of numbers, and the size of a strip or tile."""

import struct
from collections.abc import Iterator

from runtime.errors import ImageError
from runtime.image_headers.header import Header, refuse_count

MAX_TAGS = 4096
# Mostly places and lengths of strips or tiles: two numbers each.
MAX_NUMBERS = 200_000
# How often the file may be read over, since strips may overlap.
MAX_PART_READS = 8
# Memory for a whole tile is allocated even where the image is smaller.
MAX_TILE_PIXELS = 4096 * 4096
# None, CCITT, LZW, JPEG, deflate, PackBits, Zstandard. Left out: LZMA, whose file says how much memory it takes, and
# what no camera or scanner writes.
COMPRESSIONS = frozenset([1, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946, 50000])
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _SAMPLES = 256, 257, 258, 259, 277
_ROWS, _PLANAR, _TILE_WIDTH, _TILE_LENGTH = 278, 284, 322, 323
_PART_SIZES = (279, 325)
_BYTE_TYPES = (1, 2, 6, 7)  # Pillow keeps these as bytes
_SCALARS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def read_header(data: bytes) -> Header:
    """Read the size, and what a strip or tile takes while it is unpacked."""
    tags: dict[int, int] = {}
    numbers = 0
    for tag, kind, count, value in _entries(data):
        if tag in _PART_SIZES and value > MAX_PART_READS * len(data):
            raise ImageError("image: strips or tiles of a TIFF that overlap; expected each once. Save the image again.")
        if kind not in _BYTE_TYPES:
            numbers += count if kind in _TYPE_BYTES and count * _TYPE_BYTES[kind] <= len(data) else 0
        if numbers > MAX_NUMBERS:
            raise refuse_count("numbers in the tags of a TIFF", MAX_NUMBERS)
        tags.setdefault(tag, value)
    width, height = tags.get(_WIDTH, 0), tags.get(_LENGTH, 0)
    compression = tags.get(_COMPRESSION, 1)
    if compression not in COMPRESSIONS:
        raise ImageError(
            f"image: TIFF with compression {compression}; expected none, LZW, deflate, JPEG, PackBits, Zstandard or "
            f"fax. Save it as PNG."
        )
    part_bytes = _part_bytes(tags, width, height)
    return Header((width, height), codec_bytes=part_bytes if compression != 1 else 0)


def _part_bytes(tags: dict[int, int], width: int, height: int) -> int:
    across, down = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0)
    if across or down:
        if across * down > max(width * height, MAX_TILE_PIXELS):
            raise ImageError(
                f"image: tiles of {across}x{down} in a TIFF of {width}x{height}; expected at most {MAX_TILE_PIXELS} "
                f"pixels in a tile. Save the image again."
            )
    else:
        across, down = width, min(tags.get(_ROWS, height) or height, height)
    samples = max(tags.get(_SAMPLES, 1), 4 if tags.get(_COMPRESSION) == 7 else 1)
    return across * down * samples * max(tags.get(_BITS, 8), 8) // 8


def _entries(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield tag, type, count, and the value if it is one whole number (of bits per sample: the first), else 0.

    Of the sizes of strips and tiles the value is their sum.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    (start,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", data, 8 if big else 4)
    (count,) = struct.unpack_from(f"{order}Q" if big else f"{order}H", data, start)
    if count > MAX_TAGS:
        raise refuse_count("tags in a TIFF", MAX_TAGS)
    layout, inline, size = ("HHQ", 8, 20) if big else ("HHI", 4, 12)
    position = start + (8 if big else 2)
    for _ in range(count):
        tag, kind, length = struct.unpack_from(order + layout, data, position)
        at = position + size - inline
        position += size
        value = 0
        if kind in _SCALARS and length:
            if length * struct.calcsize(_SCALARS[kind]) > inline:
                (at,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", data, at)
            if tag in _PART_SIZES and length <= MAX_NUMBERS:
                whole = data[at : at + length * struct.calcsize(_SCALARS[kind])]
                code = f"{order}{len(whole) // struct.calcsize(_SCALARS[kind])}{_SCALARS[kind]}"
                value = sum(struct.unpack_from(code, whole))
            elif length == 1 or tag == _BITS:
                try:
                    (value,) = struct.unpack_from(order + _SCALARS[kind], data, at)
                except struct.error:
                    value = 0
        yield tag, kind, length, value
