"""How much memory one image may take: decided from its header, before any pixel is decoded.

Beside an idle worker, 300 MB are enough for whatever a file claims: the file itself, what the decoder takes, and the
pixels. A JPEG is decoded at a reduced scale where it is larger than the network needs it, so photos of 100
megapixels fit; another image is brought to a smaller scale after decoding if only so it fits.
"""

from PIL import Image

from runtime.errors import ImageError
from runtime.image_headers.header import Header

# 178 million pixels: more is a mistake or an attack, whatever the format. CVAT's own limit is the same order.
MAX_PIXELS = 178_000_000
# Of one image file, its decoder and its pixels. With what Python and a request need, 300 MB.
MAX_BYTES = 275_000_000
# A photo of 100 megapixels is a JPEG of 50 MB, an RGB image of 24 megapixels without compression has 72 MB. In a
# request it is a third longer, and lies in memory three times while the JSON around it is parsed.
MAX_FILE_BYTES = 75_000_000
# In Pillow's memory; every other mode takes 4.
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
_RGB_BYTES = 4
# Passes over single pixels, of up to 12 nanoseconds each three: more than two seconds at the most.
MAX_STEPS = 200_000_000
# From which scale on an image is worse than none.
_SCALES = (1, 2, 4, 8)


def check_file(size: int) -> None:
    """Refuse a file of so many bytes if none of that size is an image; raises ImageError."""
    if size > MAX_FILE_BYTES:
        raise ImageError(
            f"image: a file of {size} bytes; expected at most {MAX_FILE_BYTES}. Send it smaller, or as JPEG."
        )


def check_header(header: Header, format_name: str, file_bytes: int) -> None:
    """Refuse what no scale makes small enough; raises ImageError."""
    width, height = header.size
    if width < 1 or height < 1:
        raise ImageError(f"image: {width}x{height} pixels; expected at least one. Send another image.")
    if width * height > MAX_PIXELS:
        raise ImageError(f"image: {width}x{height} pixels; expected at most {MAX_PIXELS} pixels. Send a smaller image.")
    smallest = width * height >> 2 * header.halvings
    needed = header.codec_bytes + header.codec_bytes_per_pixel * smallest + file_bytes
    if needed > MAX_BYTES:
        raise _too_much(header.size, format_name, needed)


def takes_too_long(size: tuple[int, int], header: Header) -> bool:
    """Return whether decoding at `size`, (width, height), would go over its pixels too often."""
    return size[0] * size[1] * header.steps_per_pixel > MAX_STEPS


def choose_scale(
    image: Image.Image, size: tuple[int, int], header: Header, file_bytes: int, wanted: tuple[int, int], turned: bool
) -> int:
    """Return by what an image has to be divided after decoding so that it fits: 1 if it fits as it is.

    Args:
        image: Opened, not yet decoded.
        size: (width, height) at which it will be decoded.
        header: Of the file.
        file_bytes: Size of the file.
        wanted: (width, height) that the result must still have, before EXIF rotation.
        turned: Whether EXIF turns it afterwards, which takes a copy.

    Raises:
        ImageError: Too large at every scale.
    """
    pixels = size[0] * size[1]
    if takes_too_long(size, header):
        raise ImageError(
            f"image: {size[0]}x{size[1]} pixels of {image.format}, which take too long to decode; expected at most "
            f"{MAX_STEPS // header.steps_per_pixel} pixels of this file. Send it smaller, or as JPEG."
        )
    decoded = file_bytes + header.codec_bytes + pixels * (header.codec_bytes_per_pixel + mode_bytes(image.mode))
    needed = decoded
    for scale in _SCALES:
        if scale > 1 and (size[0] // scale < wanted[0] or size[1] // scale < wanted[1]):
            break
        copies = (scale > 1 or image.mode != "RGB") + turned
        needed = decoded + copies * _RGB_BYTES * pixels / scale**2
        if needed <= MAX_BYTES:
            return scale
    raise _too_much(size, image.format or "image", needed)


def mode_bytes(mode: str) -> int:
    """Bytes of a pixel in Pillow's memory."""
    return _MODE_BYTES.get(mode, 4)


def _too_much(size: tuple[int, int], format_name: str, needed: float) -> ImageError:
    return ImageError(
        f"image: {size[0]}x{size[1]} pixels of {format_name} take {needed / 1e6:.0f} MB to decode; expected at most "
        f"{MAX_BYTES // 1_000_000} MB. Send it smaller, or as a baseline JPEG, which is decoded at a reduced scale."
    )
