"""Bytes of an image file to RGB pixels, the same in training and in serving.

A JPEG much larger than the network's input is decoded at a reduced scale (Pillow's draft mode): several
times faster, and training sees the very same pixels. EXIF rotation is applied, as CVAT does before
it shows an image; images of more than 8 bits are stretched as CVAT stretches them, transparency lies on white.

The file may be anybody's: `runtime.image_headers` reads what it claims, and `runtime.image_limits` says what is too
much, before its pixels are read.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import IO

from PIL import AvifImagePlugin, Image

from runtime import high_depth, image_headers
from runtime.errors import ImageError
from runtime.image_headers import FORMATS
from runtime.image_headers.header import Header
from runtime.image_limits import check_file, check_header, choose_scale, takes_too_long
from runtime.letterbox import Letterbox

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
# Pillow turns all tags of an EXIF block into numbers to find one of them.
_MAX_EXIF_BYTES = 1_048_576
# Converted so many pixels at a time if the image is large: the copies are then small beside it.
_STRIP_PIXELS = 1_000_000


@dataclass(frozen=True)
class DecodedImage:
    """An image ready for `Letterbox.pixels`.

    Attributes:
        pixels: RGB, upright; may be smaller than `size`.
        size: True (width, height) after EXIF rotation: the frame of all boxes.
        orientation: What its EXIF said, 1 to 8, or any number if the file is damaged; `pixels` are upright already.
        stretched: Whether it had more than 8 bits for each value; see `runtime.high_depth`.
    """

    pixels: Image.Image
    size: tuple[int, int]
    orientation: int = 1
    stretched: bool = False


def decode(data: bytes, input_size: tuple[int, int] | None = None) -> DecodedImage:
    """Decode an image file.

    Args:
        data: The file's bytes: one of `FORMATS`, any mode.
        input_size: (width, height) of the network's input; a JPEG is decoded no larger than it needs
            to be to fill it. None decodes at full size.

    Raises:
        ImageError: Not an image, truncated, or over one of the limits of `runtime.image_limits`.
    """
    check_file(len(data))
    found = image_headers.read_header(data)
    if found is None:
        raise _unknown(data)
    format_name, header = found
    check_header(header, format_name, len(data))
    try:
        image = _open(data, format_name)
    except MemoryError as error:
        raise no_memory(header.size) from error
    return _decode(image, header, len(data), input_size)


def prepare(image: Image.Image, input_size: tuple[int, int] | None = None) -> DecodedImage:
    """An image that somebody else has opened, as `decode` would give it.

    Args:
        image: As `Image.open` returns it; if its pixels were not read yet, a JPEG is still decoded at reduced scale.
        input_size: As in `decode`.

    Raises:
        ImageError: Truncated or broken, or over one of the limits of `runtime.image_limits`.
    """
    file: IO[bytes] | None = getattr(image, "fp", None)
    if file is None:
        return _decode(image, None, 0, input_size)
    position = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(position)
    _, header = image_headers.read_header(data) or ("", Header(image.size))
    check_header(header, image.format or "image", len(data))
    return _decode(image, header, len(data), input_size)


def _decode(
    image: Image.Image, header: Header | None, file_bytes: int, input_size: tuple[int, int] | None
) -> DecodedImage:
    """Decode an opened image; `header` is None if its pixels are in memory already, which then cannot be too much."""
    check_header(Header(image.size), image.format or "image", 0)
    stored_size, reduced, wanted, scale = image.size, None, image.size, 1
    # Pillow looks for it behind the pixels of a PNG, and decodes them: not before they are known to fit.
    stored_orientation = 1 if image.format == "PNG" and "exif" not in image.info else exif_orientation(image)
    turned = stored_orientation in _TURNED
    if header is not None:
        if input_size is not None:
            wanted = Letterbox.fit(stored_size[::-1] if turned else stored_size, input_size).resized
            wanted = wanted[::-1] if turned else wanted
            reduced = image.draft("RGB", wanted) or _halve(image, header, wanted)
        scale = choose_scale(image, _decoded_size(image), header, file_bytes, wanted, turned or header.late_exif)
    try:
        with _without_warnings():
            image.load()
        # Asked again: Pillow has turned a TIFF by itself now.
        orientation = exif_orientation(image)
        size = stored_size if reduced else image.size
        pixels = _to_rgb(image, scale)
        upright = pixels.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else pixels
        return DecodedImage(
            upright,
            size[::-1] if orientation in _TURNED else size,
            stored_orientation if image.format == "TIFF" else orientation,
            stretched=image.mode in high_depth.MODES,
        )
    except MemoryError as error:
        raise no_memory(stored_size) from error
    except Exception as error:  # the decoders share no exception class
        raise ImageError(
            f"image: {_reason(error)} while decoding {image.format or 'the file'}; expected a whole image. "
            f"Send the file again."
        ) from error


def _halve(image: Image.Image, header: Header, wanted: tuple[int, int]) -> bool:
    """Let a JPEG 2000 be decoded at a reduced scale, as a JPEG; return whether it will be.

    One that would take too long becomes smaller than `wanted`. With more than 8 bits only that counts: the range of
    values, by which it is stretched, depends on the scale, which has to be the same for every network and preview.
    """
    width, height = image.size
    chosen = 0
    for count in range(1, header.halvings + 1):
        divisor = 1 << count
        # Pillow rounds where the decoder rounds up.
        if any((side + divisor // 2) // divisor != -(-side // divisor) for side in (width, height)):
            continue
        enough = width // divisor >= wanted[0] and height // divisor >= wanted[1]
        if (enough and image.mode not in high_depth.MODES) or takes_too_long(_halved(image.size, chosen), header):
            chosen = count
    if chosen:
        image.reduce = chosen  # type: ignore[method-assign, assignment]
    return chosen > 0


def _decoded_size(image: Image.Image) -> tuple[int, int]:
    return _halved(image.size, image.reduce if isinstance(image.reduce, int) else 0)


def _halved(size: tuple[int, int], count: int) -> tuple[int, int]:
    return -(-size[0] >> count), -(-size[1] >> count)


def _open(data: bytes, format_name: str) -> Image.Image:
    _load_plugins()
    try:
        with _without_warnings():
            return Image.open(io.BytesIO(data), formats=[format_name])
    except MemoryError:
        raise
    except Exception as error:
        raise _unknown(data) from error


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Pillow warns of odd tags, and of large images from half of its limit on; what is too much is said here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _load_plugins() -> None:
    """Register the decoders of Pillow's that are used: otherwise each unknown file looks through all of them."""
    Image.init()
    # As many as there are cores would each take memory, and the cores are shared with other workers.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def _unknown(data: bytes) -> ImageError:
    return ImageError(
        f"image: {len(data)} bytes that no image decoder knows; expected a whole file in one of the formats "
        f"{', '.join(FORMATS)}."
    )


def exif_orientation(image: Image.Image) -> int:
    """EXIF orientation of an opened image, 1 to 8; 1 if there is none, and any number if the file is damaged."""
    try:
        if len(image.info.get("exif", b"")) > _MAX_EXIF_BYTES:
            return 1
        with _without_warnings():
            return int(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # broken EXIF of a healthy image: Pillow raises whatever its parser meets
        return 1


def _to_rgb(image: Image.Image, scale: int) -> Image.Image:
    """Convert a loaded image, divided by `scale`; a large one strip by strip."""
    if image.mode == "RGB" and scale == 1:
        return image
    limits = high_depth.value_range(image) if image.mode in high_depth.MODES else (0.0, 0.0)
    rows = max(_STRIP_PIXELS // image.width // scale, 1) * scale
    if rows >= image.height:
        whole = _part_to_rgb(image, limits)
        return whole if scale == 1 else whole.reduce(scale)
    result = Image.new("RGB", (-(-image.width // scale), -(-image.height // scale)))
    for top in range(0, image.height, rows):
        part = image.crop((0, top, image.width, min(top + rows, image.height)))
        pixels = _part_to_rgb(part, limits)
        result.paste(pixels if scale == 1 else pixels.reduce(scale), (0, top // scale))
    return result


def _part_to_rgb(image: Image.Image, limits: tuple[float, float]) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in high_depth.MODES:
        return high_depth.to_grey(image, limits).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba)
        return white
    return image.convert("RGB")


def no_memory(size: tuple[int, int]) -> ImageError:
    """The error for an image of `size`, (width, height), for which there was no memory."""
    return ImageError(
        f"image: {size[0]}x{size[1]} pixels need more memory than there is; expected a smaller image. "
        f"Send it smaller, or give the process more memory."
    )


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
