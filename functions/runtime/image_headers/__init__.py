"""What an image file claims, read from its header before any decoder touches it.

A decoder allocates what the header asks for, and its header is a stranger's. So each format has a module here with
`read_header(data) -> Header`, which follows the file as far as Pillow and the decoder would before the first pixel:
never further, in a number of steps that is limited, and without decompressing anything.
`runtime.image_limits` says how much is too much.
"""

import struct
from collections.abc import Callable

from runtime.errors import ImageError
from runtime.image_headers import avif, bmp, gif, jpeg, jpeg2000, png, ppm, tiff, webp
from runtime.image_headers.header import Header

# Left out of what Pillow reads: what runs another program (EPS, WMF), has no signature of its own (TGA, PCX, DIB), is
# a stub without a decoder (HDF5, GRIB, BUFR), or holds no photographs (ICO, PSD, textures, plots). CVAT's video frames
# are PNG, and images keep the format in which they were uploaded.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")
_READERS: tuple[tuple[str, Callable[[bytes], bool], Callable[[bytes], Header]], ...] = (
    ("JPEG", lambda start: start.startswith(b"\xff\xd8\xff"), jpeg.read_header),
    ("PNG", lambda start: start.startswith(b"\x89PNG\r\n\x1a\n"), png.read_header),
    ("BMP", lambda start: start.startswith(b"BM"), bmp.read_header),
    ("GIF", lambda start: start.startswith((b"GIF87a", b"GIF89a")), gif.read_header),
    ("TIFF", lambda start: start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")), tiff.read_header),
    ("WEBP", lambda start: start.startswith(b"RIFF") and start[8:12] == b"WEBP", webp.read_header),
    ("AVIF", lambda start: start[4:8] == b"ftyp" and start[8:12] in avif.BRANDS, avif.read_header),
    ("JPEG2000", lambda start: start.startswith((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")), jpeg2000.read_header),
    ("PPM", lambda start: start.startswith(ppm.SIGNATURES), ppm.read_header),
)


def read_header(data: bytes) -> tuple[str, Header] | None:
    """Read the header of an image file.

    Returns:
        The name of the format, one of `FORMATS`, and the header; None if the file is of none of these formats, or
        ends or breaks off within its header.

    Raises:
        ImageError: More parts, texts or blocks than any honest file has.
    """
    start = data[:16]
    for name, matches, read in _READERS:
        if matches(start):
            try:
                return name, read(data)
            except ImageError:
                raise
            except (struct.error, IndexError, ValueError):
                return None
    return None
