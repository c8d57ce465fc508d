"""AVIF: the sizes in its properties and in the AV1 sequence headers, and the number of frames.

libavif scales a picture whose AV1 stream is larger than the file says, after decoding it whole; so both are read.
Reference: ISO/IEC 23008-12 (HEIF) and 14496-12; AV1 Bitstream & Decoding Process Specification, 5.3 to 5.5.
"""

import struct
from collections.abc import Iterator

from runtime.image_headers.av1 import sequence_sizes
from runtime.image_headers.header import Header, refuse_count

# Of a picture, of a sequence, and of any HEIF, which is HEIC more often.
BRANDS = (b"avif", b"avis", b"mif1", b"msf1")
MAX_BOXES = 10_000
MAX_FRAMES = 100_000
MAX_ITEMS = 1000
_CONTAINERS = frozenset(
    [b"meta", b"iprp", b"ipco", b"iinf", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"av01"]
)
_HEAD_BYTES = {b"meta": 4, b"iinf": 6, b"stsd": 8, b"av01": 78}
# The decoder's picture, its copy as RGB, and the bytes handed to Pillow. Measured: 6 beside Pillow's own copy for
# grey and usual colour; more where colour is not subsampled, of more than 8 bits, or with alpha.
_BYTES_PER_PIXEL, _DEEP, _FULL_COLOUR, _WITH_ALPHA, _MOST = 7, 4, 4, 6, 24


def read_header(data: bytes) -> Header:
    """Read the largest size, and what the decoder takes for it."""
    sizes: list[tuple[int, int]] = []
    cost, pictures, streams, first = _BYTES_PER_PIXEL, set(), [], len(data)
    boxes = list(_boxes(data, 0, len(data), 0, [0]))
    idat = next((start for kind, start, _ in boxes if kind == b"idat"), 0)
    for kind, start, _ in boxes:
        if kind == b"ispe":
            sizes.append(struct.unpack_from(">II", data, start + 4))
        elif kind == b"av1C":
            flags = data[start + 2]
            cost += (_DEEP if flags & 0x40 else 0) + (0 if flags & 0x08 else _FULL_COLOUR)
        elif kind == b"auxC":
            cost += _WITH_ALPHA
        elif kind == b"infe":
            version = data[start]
            number, name = struct.unpack_from(">I2x4s" if version > 2 else ">H2x4s", data, start + 4)
            if name == b"av01":
                pictures.add(number)
        elif kind in (b"stsz", b"stz2"):
            first, count = struct.unpack_from(">II", data, start + 4)
            if count > MAX_FRAMES or kind == b"stz2":
                raise refuse_count("frames in an AVIF", MAX_FRAMES)
            first = first or struct.unpack_from(">I", data, start + 12)[0]
        elif kind in (b"stco", b"co64") and struct.unpack_from(">I", data, start + 4)[0]:
            (at,) = struct.unpack_from(">I" if kind == b"stco" else ">Q", data, start + 8)
            streams.append(data[at : at + first])  # of a sequence only the first picture is decoded
    for kind, start, _ in boxes:
        if kind == b"iloc":
            streams += [content for number, content in _items(data, start, idat) if number in pictures]
    for stream in streams:
        sizes += sequence_sizes(stream)
    if not sizes:
        raise ValueError("no size")
    return Header(max(sizes, key=lambda size: size[0] * size[1]), codec_bytes_per_pixel=min(cost, _MOST))


def _boxes(data: bytes, start: int, end: int, depth: int, count: list[int]) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each box's content, and of the boxes in it."""
    while start + 8 <= end:
        count[0] += 1
        if count[0] > MAX_BOXES:
            raise refuse_count("boxes in an AVIF", MAX_BOXES)
        length, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        stop = end if length == 0 else min(start + length, end)
        if stop < start + head:
            return
        yield kind, start + head, stop
        if kind in _CONTAINERS and depth < 8:
            inner = _HEAD_BYTES.get(kind, 0) + (2 if kind == b"iinf" and data[start + head] else 0)
            yield from _boxes(data, start + head + inner, stop, depth + 1, count)
        start = stop


def _items(data: bytes, start: int, idat: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of each item that an `iloc` box places."""
    version, sizes = data[start], struct.unpack_from(">H", data, start + 4)[0]
    offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_bytes = sizes & 15 if version else 0
    wide = 4 if version == 2 else 2
    position = start + 6

    def number(size: int) -> int:
        nonlocal position
        position += size
        return int.from_bytes(data[position - size : position], "big")

    items = number(wide)
    if items > MAX_ITEMS:
        raise refuse_count("items in an AVIF", MAX_ITEMS)
    for _ in range(items):
        item = number(wide)
        base = idat if version and number(2) & 15 == 1 else 0
        number(2)
        base += number(base_bytes)
        extents = number(2)
        if extents > MAX_ITEMS:
            raise refuse_count("extents in an AVIF", MAX_ITEMS)
        parts = []
        for _ in range(extents):
            number(index_bytes)
            offset, length = number(offset_bytes), number(length_bytes)
            parts.append(data[base + offset : base + offset + length] if length else data[base + offset :])
        yield item, parts[0] if len(parts) == 1 else b"".join(parts)
