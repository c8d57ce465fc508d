"""Bytes of an image file to RGB pixels, the same in training and in serving.

A JPEG much larger than the network's input is decoded at a reduced scale (Pillow's draft mode): several
times faster, and training sees the very same pixels. EXIF rotation is applied, as CVAT does before
it shows an image; 16-bit images are scaled, transparency lies on white.

The file may be anybody's. Only formats that cameras, scanners and browsers write are opened, and what a small file
can cost is bounded before its pixels are read: their number, the size of a tile, how often a JPEG goes over them.
"""

import io
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from runtime.errors import ImageError
from runtime.letterbox import Letterbox

# 178 million pixels make 0.5 GB of RGB: more is a mistake or an attack. CVAT's own limit is the same order.
MAX_PIXELS = 178_000_000
# Left out of what Pillow reads: what runs another program (EPS, WMF), has no signature of its own (TGA, PCX, DIB), is
# a stub without a decoder (HDF5, GRIB, BUFR), or holds no photographs (ICO, PSD, textures, plots). CVAT's video frames
# are PNG, and images keep the format in which they were uploaded.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")
# A progressive JPEG has about ten, a colour one three more. Each costs a pass over all pixels and may be empty.
MAX_SCANS = 100
# Memory for a whole tile is allocated even where the image is smaller.
MAX_TILE_PIXELS = 4096 * 4096
EXIF_ORIENTATION = 0x0112
# What a viewer does with each value of the tag; 1 and values that mean nothing leave the image as it is.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = (5, 6, 7, 8)
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
# Converted so many rows at a time: the copies in floating point are then small beside the image.
_STRIP_ROWS = 256


@dataclass(frozen=True)
class DecodedImage:
    """An image ready for `Letterbox.pixels`.

    Attributes:
        pixels: RGB, upright; may be smaller than `size`.
        size: True (width, height) after EXIF rotation: the frame of all boxes.
    """

    pixels: Image.Image
    size: tuple[int, int]


def decode(data: bytes, input_size: tuple[int, int] | None = None) -> DecodedImage:
    """Decode an image file.

    Args:
        data: The file's bytes: one of `FORMATS`, any mode.
        input_size: (width, height) of the network's input; a JPEG is decoded no larger than it needs
            to be to fill it. None decodes at full size.

    Raises:
        ImageError: Not an image, truncated, or over one of the limits above.
    """
    image = _open(data)
    if image.format in ("JPEG", "MPO") and (scans := _count_scans(data)) > MAX_SCANS:
        raise ImageError(f"image: JPEG with {scans} scans; expected at most {MAX_SCANS}. Save the image again.")
    return prepare(image, input_size)


def prepare(image: Image.Image, input_size: tuple[int, int] | None = None) -> DecodedImage:
    """An image that somebody else has opened, as `decode` would give it.

    Args:
        image: As `Image.open` returns it; if its pixels were not read yet, a JPEG is still decoded at reduced scale.
        input_size: As in `decode`.

    Raises:
        ImageError: Truncated or broken, or over one of the limits above.
    """
    _check_size(image)
    stored_size, reduced = image.size, None
    if input_size is not None:
        turned = exif_orientation(image) in _TURNED
        wanted = Letterbox.fit(stored_size[::-1] if turned else stored_size, input_size).resized
        reduced = image.draft("RGB", wanted[::-1] if turned else wanted)
    try:
        image.load()
        # Asked again: Pillow has turned a TIFF by itself now, and a PNG may say it only behind its pixels.
        orientation = exif_orientation(image)
        size = stored_size if reduced else image.size
        upright = image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
        return DecodedImage(_to_rgb(upright), size[::-1] if orientation in _TURNED else size)
    except MemoryError as error:
        raise ImageError(
            f"image: {stored_size[0]}x{stored_size[1]} pixels need more memory than there is; expected a smaller "
            f"image. Send it smaller, or give the process more memory."
        ) from error
    except Exception as error:  # the decoders share no exception class
        raise ImageError(
            f"image: {_reason(error)} while decoding {image.format or 'the file'}; expected a whole image. "
            f"Send the file again."
        ) from error


def _open(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Pillow warns from half of its limit on and raises above it; ours is checked below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=_known_formats())
    except Exception as error:
        if isinstance(error, Image.DecompressionBombError):
            raise ImageError(
                f"image: its header promises too many pixels; expected at most {MAX_PIXELS} pixels. "
                f"Send a smaller image."
            ) from error
        raise ImageError(
            f"image: {len(data)} bytes that no image decoder knows; expected a whole file in one of the formats "
            f"{', '.join(FORMATS)}."
        ) from error
    return image


@cache
def _known_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow has: AVIF came late."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"image: {width}x{height} pixels; expected at least one. Send another image.")
    if width * height > MAX_PIXELS:
        raise ImageError(f"image: {width}x{height} pixels; expected at most {MAX_PIXELS} pixels. Send a smaller image.")
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    tile = [tags.get(tag, 0) for tag in (_TILE_WIDTH, _TILE_LENGTH)]
    if all(isinstance(side, int) for side in tile) and tile[0] * tile[1] > max(width * height, MAX_TILE_PIXELS):
        raise ImageError(
            f"image: tiles of {tile[0]}x{tile[1]} in a TIFF of {width}x{height}; expected at most {MAX_TILE_PIXELS} "
            f"pixels in a tile. Save the image again."
        )


def _count_scans(data: bytes) -> int:
    """Start-of-scan markers in a JPEG, wherever they lie: among compressed pixels these two bytes do not occur."""
    pairs = (np.frombuffer(data, "<u2", (len(data) - offset) // 2, offset) for offset in (0, 1))
    return sum(int(np.count_nonzero(pair == 0xDAFF)) for pair in pairs)  # FF DA, read as a little-endian number


def exif_orientation(image: Image.Image) -> int:
    """EXIF orientation of an opened image, 1 to 8; 1 if there is none, and any number if the file is damaged."""
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # broken EXIF of a healthy image: Pillow raises whatever its parser meets
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in _SIXTEEN_BIT_MODES:
        return _from_high_depth(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba)
        return white
    return image.convert("RGB")


def _from_high_depth(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits to 8: Pillow's own convert() clips at 255 and shows white."""
    values = np.asarray(image)
    strips = [slice(top, top + _STRIP_ROWS) for top in range(0, len(values), _STRIP_ROWS)]
    largest = max(_finite(values[strip]).max() for strip in strips)
    scale = 1 / 257 if largest > 255 else 1.0
    if image.mode == "F" and largest <= 1:
        scale = 255.0
    grey = np.empty(values.shape, np.uint8)
    for strip in strips:
        grey[strip] = np.clip(_finite(values[strip]) * scale, 0, 255)
    return Image.fromarray(grey)


def _finite(values: np.ndarray) -> np.ndarray:
    """float32, no larger than 16 bits go: what lies beyond is white anyhow, and would overflow when it is scaled."""
    return np.clip(np.nan_to_num(values.astype(np.float32)), -1, 65536)


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
