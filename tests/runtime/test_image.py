"""Any image file becomes upright RGB, and what is none is said in one sentence."""

import io
import re
import zlib

import numpy as np
import pytest
from PIL import Image

from runtime import image as image_module
from runtime.errors import RequestError
from runtime.image import EXIF_ORIENTATION, decode

# How a camera that holds the picture in each orientation has stored it: the inverse of what a viewer does.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corners(width: int, height: int) -> Image.Image:
    """A picture whose four quarters have four colours, so that a wrong turn shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (250, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 250, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 250)
    pixels[height // 2 :, width // 2 :] = (250, 250, 0)
    return Image.fromarray(pixels)


def with_orientation(picture: Image.Image, orientation: int, kind: str) -> bytes:
    stored = picture if STORED[orientation] is None else picture.transpose(STORED[orientation])
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return encode(stored, kind, exif=exif)


@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_gives_the_same_upright_picture(orientation):
    picture = corners(60, 40)
    decoded = decode(with_orientation(picture, orientation, "PNG"))
    assert decoded.size == (60, 40)
    assert (np.asarray(decoded.pixels) == np.asarray(picture)).all()


@pytest.mark.parametrize("orientation", STORED)
def test_reduced_decoding_keeps_the_frame_and_the_picture_upright(orientation):
    data = with_orientation(corners(960, 640), orientation, "JPEG")
    decoded = decode(data, (96, 96))
    assert decoded.size == (960, 640)
    assert max(decoded.pixels.size) < 960
    assert decoded.pixels.width > decoded.pixels.height
    small = np.asarray(decoded.pixels.resize((96, 64)), int)
    expected = np.asarray(corners(96, 64), int)
    assert np.abs(small - expected)[8:24, 8:40].max() < 20  # within the quarter, away from its edges
    assert np.abs(small - expected)[40:56, 56:88].max() < 20


def test_reduced_decoding_never_goes_below_the_input():
    decoded = decode(encode(corners(1000, 700), "JPEG"), (320, 320))
    assert decoded.pixels.width >= 320
    assert decoded.size == (1000, 700)


def test_grey_image_becomes_rgb():
    decoded = decode(encode(Image.new("L", (5, 4), 77), "PNG"))
    assert (np.asarray(decoded.pixels) == (77, 77, 77)).all()


def test_transparent_pixels_lie_on_white():
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    assert np.asarray(decode(encode(image, "PNG")).pixels).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_palette_image_becomes_rgb():
    image = corners(8, 8).convert("P", palette=Image.Palette.ADAPTIVE)
    assert (np.asarray(decode(encode(image, "PNG")).pixels) == np.asarray(corners(8, 8))).all()


def test_palette_image_with_a_transparent_colour_lies_on_white():
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    data = encode(image, "PNG", transparency=1)
    assert np.asarray(decode(data).pixels).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_cmyk_jpeg_becomes_rgb():
    decoded = decode(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    red, green, blue = np.asarray(decoded.pixels)[8, 8]
    assert red > 240
    assert green < 15
    assert blue < 15


def test_sixteen_bit_grey_is_scaled_not_clipped():
    values = np.array([[0, 32896, 65535]], np.uint16)  # 32896 = 128 * 257
    decoded = decode(encode(Image.fromarray(values), "PNG"))
    assert np.asarray(decoded.pixels)[0, :, 0].tolist() == [0, 128, 255]


def test_floating_point_tiff_from_zero_to_one_is_scaled():
    decoded = decode(encode(Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)), "TIFF"))
    assert np.asarray(decoded.pixels)[0, :, 0].tolist() == [0, 127, 255]


def test_black_and_white_image_becomes_rgb():
    assert (np.asarray(decode(encode(Image.new("1", (3, 3), 1), "PNG")).pixels) == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_one_pixel_is_an_image(kind):
    decoded = decode(encode(Image.new("RGB", (1, 1), (200, 200, 200)), kind), (320, 320))
    assert decoded.size == (1, 1)
    assert decoded.pixels.size == (1, 1)
    assert decoded.pixels.mode == "RGB"


def test_broken_exif_of_a_healthy_image_is_ignored():
    data = encode(corners(16, 16), "JPEG", exif=b"Exif\x00\x00garbage")
    assert decode(data).size == (16, 16)


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"<svg></svg>"])
def test_bytes_that_are_no_image(data):
    sentence = f"image: {len(data)} bytes that no image decoder knows; expected a JPEG, PNG or other image file."
    with pytest.raises(RequestError, match=f"^{re.escape(sentence)}$"):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "GIF"])
def test_truncated_image(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8))
    data = encode(noise, kind)
    data = data[: len(data) // 2]
    with pytest.raises(RequestError) as caught:
        decode(data)
    assert re.fullmatch(
        rf"image: .+ while decoding {kind}; expected a whole image\. Send the file again\.",
        str(caught.value),
    ) or "no image decoder knows" in str(caught.value)


def test_truncated_jpeg_word_for_word():
    data = encode(corners(200, 200), "JPEG")[:1500]
    sentence = (
        "image: image file is truncated (49 bytes not processed) while decoding JPEG; "
        "expected a whole image. Send the file again."
    )
    with pytest.raises(RequestError, match=f"^{re.escape(sentence)}$"):
        decode(data)


def test_image_over_the_pixel_limit(monkeypatch):
    monkeypatch.setattr(image_module, "MAX_PIXELS", 99)
    sentence = "image: 10x10 pixels; expected at most 99 pixels. Send a smaller image."
    with pytest.raises(RequestError, match=f"^{re.escape(sentence)}$"):
        decode(encode(Image.new("RGB", (10, 10)), "PNG"))


def test_image_of_an_absurd_size_is_refused_before_it_is_decoded():
    """A PNG header that promises 40000 x 40000 pixels: 4.8 GB of RGB from 100 bytes."""
    small = bytearray(encode(Image.new("L", (1, 1)), "PNG"))
    small[16:24] = (40000).to_bytes(4, "big") * 2
    small[29:33] = zlib.crc32(bytes(small[12:29])).to_bytes(4, "big")
    sentence = "image: its header promises too many pixels; expected at most 178000000 pixels. Send a smaller image."
    with pytest.raises(RequestError, match=f"^{re.escape(sentence)}$"):
        decode(bytes(small))
