"""JPEG: segments up to the first scan, and how often the whole image is gone over."""

import struct

import numpy as np

from runtime.errors import ImageError
from runtime.image_headers.header import Header, refuse_count

# A progressive JPEG has about ten scans, a colour one three more. Each costs a pass over all pixels and may be empty.
MAX_SCANS = 100
# Passes over blocks of 8x8 pixels: a progressive photo of 80 megapixels has 30 million.
MAX_BLOCK_VISITS = 60_000_000
# EXIF, a colour profile and a depth map in pieces of 64 KB.
MAX_SEGMENTS = 4096
# Pillow steps over what lies between segments byte by byte.
MAX_JUNK = 65_536
_SOF = frozenset([*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)])
_PROGRESSIVE = frozenset([0xC2, 0xC6, 0xCA, 0xCE])
_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD9)])
_SOS = 0xDA
_BLOCK_BYTES = 128  # 64 coefficients of 16 bits


def read_header(data: bytes) -> Header:
    """Read the size; with several scans, all coefficients lie in memory at full size, whatever the scale."""
    frame, scan = _segments(data)
    height, width, count = struct.unpack_from(">HHB", data, frame + 1)
    sampling = [data[frame + 7 + 3 * number] for number in range(count)]
    widest = max((factors >> 4 for factors in sampling), default=1) or 1
    tallest = max((factors & 15 for factors in sampling), default=1) or 1
    across, down = -(-width // (8 * widest)), -(-height // (8 * tallest))
    blocks = sum(across * down * (factors >> 4) * (factors & 15) for factors in sampling)
    several = data[frame - 3] in _PROGRESSIVE or data[scan] < count
    if several:
        scans = _count_scans(data)
        if scans > MAX_SCANS:
            raise ImageError(f"image: JPEG with {scans} scans; expected at most {MAX_SCANS}. Save the image again.")
        if scans * blocks > MAX_BLOCK_VISITS:
            raise ImageError(
                f"image: JPEG of {width}x{height} pixels in {scans} scans; expected fewer scans of so many pixels. "
                f"Save it as a baseline JPEG (not progressive)."
            )
    return Header((width, height), codec_bytes=blocks * _BLOCK_BYTES if several else 0)


def _segments(data: bytes) -> tuple[int, int]:
    """Where the content of the frame header and of the first scan header begins."""
    position, junk, frame = 2, 0, 0
    for _ in range(MAX_SEGMENTS):
        marker = data.find(b"\xff", position)
        if marker < 0:
            raise ValueError("no scan")
        code = marker + 1
        while data[code] == 0xFF and code - marker < MAX_JUNK:
            code += 1
        junk += code - position - 1
        if junk > MAX_JUNK:
            raise ImageError(f"image: {junk} bytes between segments of a JPEG; expected none. Save the image again.")
        kind, position = data[code], code + 1
        if kind == 0 or kind in _WITHOUT_LENGTH:
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if kind == _SOS:
            if not frame:
                raise ValueError("a scan before the frame")
            return frame, position + 2
        if kind in _SOF:
            frame = position + 2
        position += max(length, 2)
    raise refuse_count("segments before the pixels of a JPEG", MAX_SEGMENTS)


def _count_scans(data: bytes) -> int:
    """Start-of-scan markers, wherever they lie: among compressed pixels these two bytes do not occur."""
    pairs = (np.frombuffer(data, "<u2", (len(data) - offset) // 2, offset) for offset in (0, 1))
    return sum(int(np.count_nonzero(pair == 0xDAFF)) for pair in pairs)  # FF DA, read as a little-endian number
