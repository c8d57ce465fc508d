"""Image files, healthy and hostile: made by hand where no encoder would make them.

`HEALTHY` have to be answered, `HOSTILE` have to be refused with a sentence that holds the words given. The
builders are functions, so that nothing is made before a test asks for it.
"""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
Maker = Callable[[], bytes]


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image as a file of that format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    """Noise with a red square, in which the network of these tests finds something."""
    pixels = np.random.default_rng(1).integers(90, 150, (height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (230, 20, 30)
    image = Image.fromarray(pixels)
    return image if mode == "RGB" else image.convert(mode)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk with the checksum it needs."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int,
    height: int,
    *,
    depth: int = 8,
    colour: int = 2,
    rows: bytes = b"",
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A PNG whose header may promise what its rows do not hold."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    content = png_chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + header + before + content + after + png_chunk(b"IEND", b"")


def black_png(width: int, height: int, *, depth: int = 8, colour: int = 0, samples: int = 1) -> bytes:
    """All of its rows, compressed a thousandfold."""
    row = b"\0" * (1 + width * samples * depth // 8)
    packer = zlib.compressobj(9)
    rows = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def with_orientation(kind: str, value: object) -> bytes:
    """A file whose EXIF says how it was held."""
    exif = Image.Exif()
    exif[ORIENTATION] = value
    return encode(picture(), kind, exif=exif)


def jpeg_of_size(width: int, height: int, **options: object) -> bytes:
    """A small JPEG whose header says another size."""
    data = bytearray(encode(picture(), "JPEG", **options))
    frame = data.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def gif(width: int, height: int, frames: bytes = b"") -> bytes:
    """A GIF's screen, with no picture on it unless one is given."""
    palette = bytes(range(6))
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + palette + frames + b";"


def tiff(width: int, height: int, extra: tuple[tuple[int, int, int, int], ...] = (), data: bytes = b"\0" * 64) -> bytes:
    """A grey TIFF by hand: `extra` tags (tag, type, count, value) replace or join the usual ones."""
    start = 8
    tags = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, start),
        277: (3, 1, 1),
        278: (4, 1, height),
        279: (4, 1, len(data)),
    }
    tags.update({tag: rest for tag, *rest in extra})
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags)) + b"\0\0\0\0"
    return b"II*\0" + struct.pack("<I", start + len(data)) + data + directory


def bmp(width: int, height: int, *, bits: int = 24, data: bytes = b"\0" * 64, compression: int = 0) -> bytes:
    """A BMP by hand."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + header + data


def webp_canvas(width: int, height: int) -> bytes:
    """An extended WebP whose canvas is larger than the picture in it."""
    inner = encode(picture(), "WEBP", lossless=True)[12:]
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    content = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size + inner
    return b"RIFF" + struct.pack("<I", len(content)) + content


def jpeg2000_of_size(width: int, height: int) -> bytes:
    """A JPEG 2000 codestream whose header says another size."""
    data = bytearray(encode(picture(), "JPEG2000", no_jp2=True))
    frame = data.index(b"\xff\x51")
    data[frame + 6 : frame + 14] = struct.pack(">II", width, height)
    return bytes(data)


def avif_of_size(width: int, height: int) -> bytes:
    """An AVIF whose properties say another size."""
    data = bytearray(encode(picture(), "AVIF"))
    frame = data.index(b"ispe")
    data[frame + 8 : frame + 16] = struct.pack(">II", width, height)
    return bytes(data)


def many_scans(size: int, count: int) -> bytes:
    """A progressive JPEG of one colour that goes over all of its pixels again and again."""
    data = encode(Image.new("L", (size, size), 128), "JPEG", progressive=True)
    scan = data.rindex(b"\xff\xda")
    return data[:scan] + data[scan:-2] * count + data[-2:]


def with_text(kind: bytes, size: int) -> bytes:
    """A PNG with a compressed text of `size` bytes."""
    text = zlib.compress(b"a" * size, 9)
    content = b"Comment\0" + (b"\0" if kind == b"zTXt" else b"\x01\0\0\0") + text
    return png(2, 2, rows=b"\0" * 14, before=png_chunk(kind, content))


def float_tiff(*values: float) -> bytes:
    """One row of 32-bit floating point numbers."""
    return encode(Image.fromarray(np.array([values], np.float32)), "TIFF")


def pages(kind: str, **options: object) -> bytes:
    """Three pictures in one file; the first is the one that counts."""
    others = [Image.new("RGB", (96, 64), colour) for colour in ("green", "black")]
    return encode(picture(), kind, save_all=True, append_images=others, **options)


def cmyk_jpeg(adobe_transform: int) -> bytes:
    """Four channels, with the marker by which Adobe tells CMYK (0) from YCCK (2); its ink is inverted."""
    data = encode(picture(mode="CMYK"), "JPEG", quality=95)
    marker = data.find(b"\xff\xee")
    if marker < 0:
        adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([adobe_transform])
        return data[:2] + adobe + data[2:]
    return data[: marker + 15] + bytes([adobe_transform]) + data[marker + 16 :]


def flipped(data: bytes, position: int) -> bytes:
    """One byte of the file inverted."""
    return data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


def cut(kind: str, share: float, **options: object) -> bytes:
    """The beginning of a file."""
    data = encode(picture(), kind, **options)
    return data[: int(len(data) * share)]
