"""JPEG 2000: the codestream's own header, which may contradict that of the file around it.

OpenJPEG takes memory for every tile, component, precinct, code-block and quality layer that the header asks for.
Reference: ITU-T T.800, annexes A (codestream) and I (file format).
"""

import struct
from collections.abc import Iterator

from runtime.errors import ImageError
from runtime.image_headers.header import Header, refuse_count

MAX_COMPONENTS = 4
MAX_TILES = 4096
# Of a tile OpenJPEG takes up to 1.7 bytes for each sample even where it is decoded at a reduced scale: 200 MB.
MAX_TILE_SAMPLES = 120_000_000
MAX_TILE_PARTS = 16_384
MAX_MARKERS = 4096
MAX_BOXES = 1000
# Packets: one for each layer, resolution, component and precinct.
MAX_PACKETS = 500_000
_SIZ, _COD, _COC, _QCD, _QCC, _RGN, _POC = 0xFF51, 0xFF52, 0xFF53, 0xFF5C, 0xFF5D, 0xFF5E, 0xFF5F
_SOT, _SOD, _EOC = 0xFF90, 0xFF93, 0xFFD9
_KNOWN = frozenset([*range(0xFF50, 0xFF65), *range(0xFF74, 0xFF79), _SOT, _SOD, _EOC])
# Measured: the structures of one tile, and of each of its components.
_TILE_BYTES, _TILE_COMPONENT_BYTES = 6000, 1200
_WHOLE = 15  # exponent of a precinct that holds everything
_MOST_PLANES = 31


def read_header(data: bytes) -> Header:
    """Read the size, and what OpenJPEG takes for it.

    Raises:
        ImageError: More tiles, components or parts of them than photographs have.
    """
    start = _codestream(data)
    if data[start : start + 4] != b"\xff\x4f\xff\x51":
        raise ValueError("no codestream")
    _, _, right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, components = struct.unpack_from(
        ">HHIIIIIIIIH", data, start + 4
    )
    width, height = right - left, bottom - top
    if min(width, height, tile_width, tile_height) < 1 or components < 1:
        raise ValueError("no pixels")
    if components > MAX_COMPONENTS:
        raise refuse_count("components in a JPEG 2000", MAX_COMPONENTS)
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    if tiles > MAX_TILES:
        raise refuse_count("tiles in a JPEG 2000", MAX_TILES)
    tile_pixels = min(width, tile_width) * min(height, tile_height)
    if tile_pixels * components > MAX_TILE_SAMPLES:
        raise ImageError(
            f"image: JPEG 2000 of {width}x{height} pixels in one tile; expected at most {MAX_TILE_SAMPLES} samples in "
            f"a tile. Send it smaller, or as a baseline JPEG, which is decoded at a reduced scale."
        )
    depth = max((data[start + 42 + 3 * number] & 0x7F) + 1 for number in range(components))
    planes, halvings = 1, 32
    for marker, segment in _segments(data, start):
        if marker in (_COD, _COC):
            halvings = min(halvings, _check_coding(marker, segment, components, tile_pixels, tiles))
        else:
            planes = max(planes, _bit_planes(marker, segment))
    # For each sample of a tile a number of 32 bits, and the bytes handed to Pillow.
    sample_bytes = 4 + (1 if depth <= 8 else 2 if depth <= 16 else 4)
    return Header(
        (width, height),
        codec_bytes_per_pixel=components * sample_bytes * tile_pixels / (width * height),
        codec_bytes=tiles * (_TILE_BYTES + _TILE_COMPONENT_BYTES * components),
        halvings=0 if (left, top) != (0, 0) else halvings % 32,
        steps_per_pixel=components * min(planes, _MOST_PLANES),
    )


def _codestream(data: bytes) -> int:
    """Where the codestream begins in the boxes of a file."""
    if data.startswith(b"\xff\x4f"):
        return 0
    position = 0
    for _ in range(MAX_BOXES):
        length, kind = struct.unpack_from(">I4s", data, position)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, position + 8)
            head = 16
        if kind == b"jp2c":
            return position + head
        if length < head:
            raise ValueError("no codestream")
        position += length
    raise refuse_count("boxes in a JPEG 2000", MAX_BOXES)


def _segments(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield each segment that says how samples are divided and coded, of the main header and of all tile parts."""
    position, tile_part, parts = start + 2, 0, 0
    for _ in range(MAX_MARKERS + MAX_TILE_PARTS * 4):
        if position + 4 > len(data):
            return
        marker, length = struct.unpack_from(">HH", data, position)
        if marker not in _KNOWN:  # OpenJPEG looks for the next one in its own way
            raise ValueError("no marker")
        if marker == _EOC:
            return
        if marker == _SOD:
            if not tile_part:  # to the end of the file
                return
            position, tile_part = tile_part, 0
            continue
        if marker == _SOT:
            parts += 1
            if parts > MAX_TILE_PARTS:
                raise refuse_count("parts of tiles in a JPEG 2000", MAX_TILE_PARTS)
            (part_bytes,) = struct.unpack_from(">I", data, position + 6)
            tile_part = position + part_bytes if part_bytes >= 14 else 0
        elif marker == _POC:
            raise ImageError("image: JPEG 2000 with several progression orders; expected one. Save it as PNG.")
        elif marker in (_COD, _COC, _QCD, _QCC, _RGN):
            yield marker, data[position + 4 : position + 2 + length]
        position += 2 + max(length, 2)
    raise refuse_count("segments in a JPEG 2000", MAX_MARKERS)


def _check_coding(marker: int, content: bytes, components: int, tile_pixels: int, tiles: int) -> int:
    """Hold the parts that a tile is divided into against what photographs need; return the number of halvings."""
    if marker == _COD:
        own_precincts, layers, at = content[0] & 1, struct.unpack_from(">H", content, 2)[0], 5
    else:
        own_precincts, layers, at = content[1] & 1, 1, 2
    levels, across, down = content[at], content[at + 1] + 2, content[at + 2] + 2
    if levels > 32 or across > 10 or down > 10:
        raise ValueError("no coding style")
    precincts = [(size & 15, size >> 4) for size in content[at + 5 : at + 6 + levels]] if own_precincts else []
    count = 0
    for level in range(levels + 1):
        # The highest level holds all samples, each level below it a quarter.
        samples = (tile_pixels >> 2 * (levels - level)) + 1
        wide, tall = precincts[level] if level < len(precincts) else (_WHOLE, _WHOLE)
        count += 1 + (samples >> (wide + tall))
        block = min(across, max(wide - 1, 0)) + min(down, max(tall - 1, 0))
        if samples >> block > 20_000 + (samples >> 8):
            raise ImageError(
                "image: JPEG 2000 in tiny code-blocks or precincts; expected blocks of 16x16 samples and more. "
                "Save it as PNG."
            )
    if count * components * max(layers, 1) * tiles > MAX_PACKETS:
        raise refuse_count("packets in a JPEG 2000", MAX_PACKETS)
    return levels


def _bit_planes(marker: int, content: bytes) -> int:
    """The most bit planes that a quantisation segment allows, each of which is gone over three times."""
    if marker == _RGN:
        return _MOST_PLANES
    content = content[1:] if marker == _QCC else content
    style, guard = content[0] & 31, content[0] >> 5
    if style == 0:
        exponents = [value >> 3 for value in content[1:]]
    else:
        exponents = [value >> 11 for (value,) in struct.iter_unpack(">H", content[1 : 1 + (len(content) - 1) // 2 * 2])]
    return max(exponents, default=0) + guard - 1
