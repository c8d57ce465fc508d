"""Bytes of an image file to RGB pixels, the same in training and in serving.

A JPEG much larger than the network's input is decoded at a reduced scale (Pillow's draft mode): several
times faster, and training sees the very same pixels. EXIF rotation is applied, as CVAT does before
it shows an image; 16-bit images are scaled, transparency lies on white.
"""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from runtime.errors import ImageError
from runtime.letterbox import Letterbox

# 178 million pixels make 0.5 GB of RGB: more is a mistake or an attack. CVAT's own limit is the same order.
MAX_PIXELS = 178_000_000
EXIF_ORIENTATION = 0x0112
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


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
        data: The file's bytes: any format and mode that Pillow reads.
        input_size: (width, height) of the network's input; a JPEG is decoded no larger than it needs
            to be to fill it. None decodes at full size.

    Raises:
        ImageError: Not an image, truncated, or over `MAX_PIXELS`.

    """
    return prepare(_open(data), input_size)


def prepare(image: Image.Image, input_size: tuple[int, int] | None = None) -> DecodedImage:
    """An image that somebody else has opened, as `decode` would give it.

    Args:
        image: As `Image.open` returns it; if its pixels were not read yet, a JPEG is still decoded at reduced scale.
        input_size: As in `decode`.

    Raises:
        ImageError: Truncated or broken.

    """
    try:
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # broken EXIF of a healthy image: Pillow raises whatever its parser meets
        orientation = 1
    turned = orientation in (5, 6, 7, 8)
    size = image.size[::-1] if turned else image.size
    if input_size is not None:
        wanted = Letterbox.fit(size, input_size).resized
        image.draft("RGB", wanted[::-1] if turned else wanted)
    try:
        image.load()
        if orientation != 1:
            image = ImageOps.exif_transpose(image)
        return DecodedImage(_to_rgb(image), size)
    except MemoryError:
        raise
    except Exception as error:  # the decoders of 40 formats share no exception class
        raise ImageError(
            f"image: {_reason(error)} while decoding {image.format or 'the file'}; expected a whole image. "
            f"Send the file again."
        ) from error


def _open(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Pillow warns from half of its limit on and raises above it; ours is checked below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
    except Exception as error:
        if isinstance(error, Image.DecompressionBombError):
            raise ImageError(
                f"image: its header promises too many pixels; expected at most {MAX_PIXELS} pixels. "
                f"Send a smaller image."
            ) from error
        raise ImageError(
            f"image: {len(data)} bytes that no image decoder knows; expected a JPEG, PNG or other image file."
        ) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"image: {width}x{height} pixels; expected at most {MAX_PIXELS} pixels. Send a smaller image.")
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in _SIXTEEN_BIT_MODES:
        return _from_high_depth(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    return image.convert("RGB")


def _from_high_depth(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits to 8: Pillow's own convert() clips at 255 and shows white."""
    values = np.nan_to_num(np.asarray(image, np.float32))
    if image.mode == "F" and values.max(initial=0) <= 1:
        scale = 255.0
    else:
        scale = 1 / 257 if values.max(initial=0) > 255 else 1.0
    return Image.fromarray(np.clip(values * scale, 0, 255).astype(np.uint8))


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
