"""Image files that ask a decoder for far more memory or time than their size suggests.

`BOMBS` have to cost little, whatever becomes of them; `LARGE` are honest and near the limits, and have to be read.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.functions.image_files import (
    Maker,
    black_png,
    bmp,
    encode,
    jpeg_of_size,
    many_scans,
    picture,
    png,
    png_chunk,
    tiff,
)


def _riff(kind: bytes, content: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def vp8l(width: int, height: int) -> bytes:
    """A lossless WebP of 34 bytes, of one colour."""
    return _riff(
        b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\x10\x88\x88\x08" + bytes(5)
    )


def vp8(width: int, height: int) -> bytes:
    """A lossy WebP whose header says another size."""
    data = bytearray(encode(picture(), "WEBP"))
    data[26:30] = struct.pack("<HH", width, height)
    return bytes(data)


def animated_webp(width: int, height: int) -> bytes:
    """Two frames on a canvas that is larger."""
    data = bytearray(
        encode(picture(), "WEBP", save_all=True, append_images=[Image.new("RGB", (96, 64), "green")], lossless=True)
    )
    data[24:30] = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return bytes(data)


def jpeg2000(width: int, height: int, *, tile: tuple[int, int] | None = None, boxed: bool = False) -> bytes:
    """A JPEG 2000 whose codestream says another size, in a file that keeps the old one if `boxed`."""
    data = bytearray(encode(picture(), "JPEG2000", no_jp2=not boxed))
    frame = data.index(b"\xff\x51")
    data[frame + 6 : frame + 14] = struct.pack(">II", width, height)
    data[frame + 22 : frame + 30] = struct.pack(">II", *(tile or (width, height)))
    return bytes(data)


def jpeg2000_coded(at: int, value: bytes, size: int = 3000) -> bytes:
    """A JPEG 2000 of one colour with another coding style: 1 to 2 are the layers, 4 the levels, 5 and 6 the blocks."""
    data = bytearray(encode(Image.new("RGB", (size, size), (9, 99, 199)), "JPEG2000", no_jp2=True))
    style = data.index(b"\xff\x52") + 5
    data[style + at : style + at + len(value)] = value
    return bytes(data)


def jpeg2000_with_junk() -> bytes:
    """Tiny blocks, behind a marker that is none and seems to be as long as their segment."""
    data = jpeg2000_coded(5, b"\0\0")
    style = data.index(b"\xff\x52")
    return data[:style] + b"\xff\x00\x00\x20" + data[style:]


def avif_within(width: int, height: int, size: int) -> bytes:
    """An AVIF of size x size pixels of one colour that says it is width x height: the decoder would scale it."""
    data = bytearray(encode(Image.new("L", (size, size), 99), "AVIF", speed=10))
    at = data.index(b"ispe")
    data[at + 8 : at + 16] = struct.pack(">II", width, height)
    return bytes(data)


def commented_gif(blocks: int) -> bytes:
    """A GIF with a comment in pieces of one letter."""
    data = encode(picture(9, 9, "P"), "GIF")
    palette_end = 13 + (3 << (data[10] & 7) + 1)
    return data[:palette_end] + b"!\xfe" + b"\1a" * blocks + b"\0" + data[palette_end:]


def texts_png(count: int) -> bytes:
    """A PNG with compressed texts, each just small enough to be decompressed."""
    text = b"a\0\0" + zlib.compress(b"a" * 1_000_000, 9)
    return png(2, 2, rows=b"\0" * 14, before=png_chunk(b"zTXt", text) * count)


def profile_png(size: int) -> bytes:
    """A PNG with a compressed colour profile."""
    return png(2, 2, rows=b"\0" * 14, before=png_chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a" * size, 9)))


def exif_jpeg(tags: int) -> bytes:
    """A JPEG whose EXIF has so many tags, each of nearly the whole block."""
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", tags)
    entries = b"".join(struct.pack("<HHII", 40000 + number, 7, 60_000, 0) for number in range(tags))
    return encode(picture(), "JPEG", exif=b"Exif\0\0" + head + entries)


def numbered_tiff(count: int) -> bytes:
    """A TIFF with so many strips."""
    return tiff(8, 8, ((273, 4, count, 8), (279, 4, count, 8)), data=bytes(4 * count))


def overlapping_tiff(strips: int) -> bytes:
    """A TIFF of one row in each strip, all of them the same four megabytes, to be read with their bits reversed."""
    data = np.random.default_rng(0).bytes(4_000_000)
    places, sizes = struct.pack(f"<{strips}I", *[8] * strips), struct.pack(f"<{strips}I", *[len(data)] * strips)
    at = 8 + len(data)
    tags = ((259, 3, 1, 5), (266, 3, 1, 2), (278, 4, 1, 1), (273, 4, strips, at), (279, 4, strips, at + len(places)))
    return tiff(1000, strips, tags, data + places + sizes)


def avif_of_frames(count: int) -> bytes:
    """An AVIF whose picture has so many frames before the one that is shown."""
    data = encode(picture(), "AVIF")
    media = data.index(b"mdat") - 4
    # Empty frame headers: the item ends at the end of the file if its length is 0.
    place = data.index(b"iloc")
    changed = bytearray(data)
    length = changed.index(struct.pack(">I", len(data) - media - 8), place)
    changed[length : length + 4] = bytes(4)
    return bytes(changed) + b"\x1a\0" * count


def turned(image: Image.Image, kind: str, **options: object) -> bytes:
    """A file whose EXIF says that it has to be turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(image, kind, exif=exif, **options)


def _solid(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (width, height))


def _lossless_noise(side: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8))


BOMBS: dict[str, Maker] = {
    "WebP of 34 bytes, 16383x16383": lambda: vp8l(16383, 16383),
    "WebP of 34 bytes, 13000x13000": lambda: vp8l(13000, 13000),
    "WebP of 34 bytes, 4096x4096": lambda: vp8l(4096, 4096),
    "WebP with loss, 16383x16383": lambda: vp8(16383, 16383),
    "animated WebP on 16384x10000": lambda: animated_webp(16384, 10000),
    "WebP of chunks": lambda: vp8l(9, 9) + b"XXXX\0\0\0\0" * 300_000,
    "JPEG 2000, 13000x13000": lambda: jpeg2000(13000, 13000),
    "JPEG 2000, 4000x4000": lambda: jpeg2000(4000, 4000),
    "JPEG 2000 of 13000x13000 that says 96x64": lambda: jpeg2000(13000, 13000, boxed=True),
    "JPEG 2000 in tiles of one pixel": lambda: jpeg2000(250, 250, tile=(1, 1)),
    "JPEG 2000 in a tile of four billion": lambda: jpeg2000(96, 64, tile=(2**32 - 1, 2**32 - 1)),
    "JPEG 2000 of 65535 layers": lambda: jpeg2000_coded(1, b"\xff\xff"),
    "JPEG 2000 in blocks of 4x4": lambda: jpeg2000_coded(5, b"\0\0"),
    "JPEG 2000 in blocks of 4x4 behind junk": jpeg2000_with_junk,
    "PNG of 13342x13341": lambda: png(13342, 13341),
    "PNG of 13000x13000 in 170 KB": lambda: black_png(13000, 13000),
    "PNG of 11000x11000 with colour and 16 bits": lambda: black_png(8000, 8000, depth=16, colour=6, samples=4),
    "PNG of 60 texts": lambda: texts_png(60),
    "PNG of 300 texts": lambda: texts_png(300),
    "PNG with a profile of 300 MB": lambda: profile_png(300_000_000),
    "PNG of empty chunks": lambda: png(2, 2, rows=b"\0" * 14, before=png_chunk(b"teSt", b"") * 300_000),
    "JPEG of 13000x13000, progressive": lambda: jpeg_of_size(13000, 13000, progressive=True),
    "JPEG of 13000x13000, progressive, no subsampling": lambda: jpeg_of_size(
        13000, 13000, progressive=True, subsampling=0
    ),
    "JPEG of 6000x6000, 100 scans": lambda: many_scans(6000, 93),
    "JPEG of junk": lambda: b"\xff\xd8\xff\xe0\0\2" + b"a" * 5_000_000 + encode(picture(), "JPEG")[2:],
    "JPEG of padding": lambda: b"\xff\xd8" + b"\xff" * 5_000_000 + encode(picture(), "JPEG")[2:],
    "JPEG of comments": lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 1_000_000 + encode(picture(), "JPEG")[2:],
    "JPEG whose EXIF overlaps itself": lambda: exif_jpeg(5000),
    "GIF of a comment in 2 million pieces": lambda: commented_gif(2_000_000),
    "TIFF of 2 million strips": lambda: numbered_tiff(2_000_000),
    "TIFF of 13000x13000 in one strip": lambda: tiff(
        13000, 13000, ((259, 3, 1, 8), (278, 4, 1, 13000)), zlib.compress(bytes(99))
    ),
    "TIFF of 50000 strips in the same place": lambda: overlapping_tiff(50_000),
    "TIFF whose dictionary takes memory": lambda: tiff(9, 9, ((259, 3, 1, 34925),)),
    "BMP of run lengths of one pixel": lambda: bmp(1900, 1900, bits=8, compression=1, data=b"\1\0" * 1_900_000),
    "BMP of run lengths beyond the row": lambda: bmp(1, 1900, bits=8, compression=1, data=b"\1\0" * 1_900_000),
    "BMP of run lengths of nothing": lambda: bmp(13000, 13000, bits=8, compression=1, data=b"\0\0" * 9),
    "PPM as text": lambda: b"P3\n800 800\n255\n" + b"1 " * 1_920_000,
    "PPM of comments": lambda: b"P3\n80 80\n255\n" + b"#\n" * 2_000_000,
    "PPM with a comment without end": lambda: b"P3\n#" + b"a" * 10_000_000,
    "PPM of an unusual range": lambda: b"P6\n5000 5000\n254\n" + b"1" * 99,
}
if "AVIF" in Image.registered_extensions().values():
    BOMBS |= {
        "AVIF of 6000x6000 that says 64x64": lambda: avif_within(64, 64, 6000),
        "AVIF of 64x64 that says 30000x30000": lambda: avif_within(30000, 30000, 64),
    }

LARGE: dict[str, Maker] = {
    "JPEG of 100 megapixels": lambda: encode(_solid(12000, 8400), "JPEG"),
    "JPEG of 100 megapixels, turned": lambda: turned(_solid(12000, 8400), "JPEG"),
    "JPEG of 80 megapixels, progressive": lambda: encode(_solid(10300, 7800), "JPEG", progressive=True),
    "CMYK JPEG of 60 megapixels": lambda: encode(_solid(8000, 7500, "CMYK"), "JPEG"),
    "PNG of 60 megapixels": lambda: black_png(7800, 7700, colour=2, samples=3),
    "PNG of 60 megapixels, transparent": lambda: black_png(7800, 7700, colour=6, samples=4),
    "PNG of 120 megapixels, 16 bits of grey": lambda: black_png(11000, 11000, depth=16),
    "PNG of 36 megapixels, turned": lambda: turned(_solid(6000, 6000), "PNG", compress_level=1),
    "GIF of 100 megapixels": lambda: encode(_solid(10000, 10000, "P"), "GIF"),
    "TIFF of 24 megapixels without compression": lambda: encode(_solid(6000, 4000), "TIFF"),
    "TIFF of 32 megapixels in floating point": lambda: encode(
        Image.fromarray(np.zeros((5600, 5600), np.float32)), "TIFF", compression="tiff_deflate"
    ),
    "BMP of 24 megapixels": lambda: encode(_solid(6000, 4000), "BMP"),
    "WebP of 16 megapixels": lambda: encode(_solid(4096, 4096), "WEBP", method=0),
    "JPEG 2000 of 36 megapixels": lambda: encode(_solid(6000, 6000), "JPEG2000"),
}
if "AVIF" in Image.registered_extensions().values():
    LARGE["AVIF of 24 megapixels"] = lambda: encode(_solid(6000, 4000), "AVIF", speed=10)


def animated_png() -> bytes:
    """Two frames, of which the first counts."""
    stream = io.BytesIO()
    picture().save(stream, "PNG", save_all=True, append_images=[Image.new("RGB", (96, 64), "green")])
    return stream.getvalue()
