"""BMP: of its run lengths Pillow has a decoder in Python, which is slow."""

import struct

from runtime.errors import ImageError
from runtime.image_headers.header import Header

MAX_RUN_LENGTH_PIXELS = 4_000_000
MAX_RUN_LENGTH_BYTES = 4_000_000
_RUN_LENGTHS = (1, 2)


def read_header(data: bytes) -> Header:
    """Read the size."""
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes == 12:
        return Header(struct.unpack_from("<HH", data, 18))
    width, height, _, _, compression = struct.unpack_from("<IiHHI", data, 18)
    height = abs(height)  # negative: the first row is the top one
    if compression in _RUN_LENGTHS and (width * height > MAX_RUN_LENGTH_PIXELS or len(data) > MAX_RUN_LENGTH_BYTES):
        raise ImageError(
            f"image: BMP of {width}x{height} pixels and {len(data)} bytes in run lengths; expected at most "
            f"{MAX_RUN_LENGTH_PIXELS} of both. Save it as PNG."
        )
    return Header((width, height), codec_bytes=3 * width * height if compression in _RUN_LENGTHS else 0)
