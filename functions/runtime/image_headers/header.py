"""The record that all formats fill in."""

from dataclasses import dataclass

from runtime.errors import ImageError


@dataclass(frozen=True)
class Header:
    """What decoding a file will cost, as far as its header tells.

    Attributes:
        size: (width, height) in pixels, the largest of all that the file mentions; before EXIF rotation.
        codec_bytes_per_pixel: Memory of the decoder beside Pillow's own copy of the pixels, for each decoded pixel.
        codec_bytes: Memory of the decoder that does not shrink with a reduced scale.
        halvings: How often the decoder itself can halve width and height (JPEG 2000; a JPEG is drafted by Pillow).
        late_exif: Whether a rotation may be found only behind the pixels (PNG).
        steps_per_pixel: Passes over each decoded pixel, where a header can ask for many (JPEG 2000).
    """

    size: tuple[int, int]
    codec_bytes_per_pixel: float = 0.0
    codec_bytes: int = 0
    halvings: int = 0
    late_exif: bool = False
    steps_per_pixel: int = 0


def refuse_count(what: str, limit: int) -> ImageError:
    """The error for a file that has more of something than any honest file."""
    return ImageError(f"image: more than {limit} {what}; expected fewer. Save the image again.")
