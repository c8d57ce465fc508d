"""Any image file becomes upright RGB, and what is none is said in one sentence."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from preannotate.formats.image_kinds import IMAGE_EXTENSIONS
from runtime import image as image_module
from runtime import image_limits
from runtime.errors import ImageError, RequestError
from runtime.image import EXIF_ORIENTATION, FORMATS, decode, prepare

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


def with_orientation(picture: Image.Image, orientation: int, kind: str, **options: object) -> bytes:
    stored = picture if STORED[orientation] is None else picture.transpose(STORED[orientation])
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return encode(stored, kind, exif=exif, **options)


# Pillow turns a TIFF by itself, and finds the orientation of an AVIF outside of its EXIF.
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_gives_the_same_upright_picture(orientation, kind):
    if kind not in Image.registered_extensions().values():
        pytest.skip(f"this Pillow has no {kind}")
    picture = corners(60, 40)
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(kind, {})
    decoded = decode(with_orientation(picture, orientation, kind, **options))
    assert decoded.size == (60, 40)
    assert np.abs(np.asarray(decoded.pixels, int) - np.asarray(picture, int)).max() <= (2 if kind == "AVIF" else 0)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_means_nothing_leaves_the_image_as_it_is(value):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = value
    decoded = decode(encode(corners(6, 4), "PNG", exif=exif))
    assert (np.asarray(decoded.pixels) == np.asarray(corners(6, 4))).all()


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
    assert np.asarray(decoded.pixels)[0, :, 0].tolist() == [0, 128, 255]


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
    sentence = (
        f"image: {len(data)} bytes that no image decoder knows; expected a whole file in one of the formats "
        f"JPEG, PNG, BMP, GIF, TIFF, WEBP, AVIF, JPEG2000, PPM."
    )
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
    monkeypatch.setattr(image_limits, "MAX_PIXELS", 99)
    sentence = "image: 10x10 pixels; expected at most 99 pixels. Send a smaller image."
    with pytest.raises(RequestError, match=f"^{re.escape(sentence)}$"):
        decode(encode(Image.new("RGB", (10, 10)), "PNG"))


def test_image_of_an_absurd_size_is_refused_before_it_is_decoded():
    """A PNG header that promises 40000 x 40000 pixels: 4.8 GB of RGB from 100 bytes."""
    small = bytearray(encode(Image.new("L", (1, 1)), "PNG"))
    small[16:24] = (40000).to_bytes(4, "big") * 2
    small[29:33] = zlib.crc32(bytes(small[12:29])).to_bytes(4, "big")
    sentence = "image: 40000x40000 pixels; expected at most 178000000 pixels. Send a smaller image."
    with pytest.raises(RequestError, match=f"^{re.escape(sentence)}$"):
        decode(bytes(small))


def expect(data: bytes, sentence: str) -> None:
    with pytest.raises(ImageError, match=f"^{re.escape(sentence)}$"):
        decode(data, (32, 32))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(name):
    if name not in Image.registered_extensions().values():
        pytest.skip(f"this Pillow has no {name}")
    assert decode(encode(corners(16, 16), name)).size == (16, 16)


def test_every_extension_of_a_dataset_has_a_format():
    extensions = Image.registered_extensions()
    assert {extensions[name] for name in IMAGE_EXTENSIONS if name in extensions} <= {*FORMATS, "MPO"}


@pytest.mark.parametrize("kind", ["EPS", "TGA", "ICO", "PCX", "DIB"])
def test_other_formats_of_pillow_are_refused(kind):
    with pytest.raises(ImageError, match="bytes that no image decoder knows"):
        decode(encode(corners(16, 16), kind))


def test_a_format_that_this_pillow_lacks_is_unknown(monkeypatch):
    data = encode(corners(16, 16), "PNG")
    monkeypatch.delitem(Image.OPEN, "PNG")
    with pytest.raises(ImageError, match="bytes that no image decoder knows"):
        decode(data)


def test_an_image_without_pixels():
    with pytest.raises(ImageError, match=r"^image: 0x7 pixels; expected at least one\. Send another image\.$"):
        prepare(Image.new("RGB", (0, 7)))


def test_a_jpeg_that_goes_over_its_pixels_again_and_again():
    data = encode(corners(64, 64), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    usual = data.count(b"\xff\xda")
    for filling in (b"", b"\xff"):  # so that the markers lie at odd and even places
        scans = [data[last:-2] + filling] * (101 - usual)
        expect(
            data[:last] + b"".join([data[last:-2], *scans]) + data[-2:],
            "image: JPEG with 101 scans; expected at most 100. Save the image again.",
        )
    assert decode(data[:last] + data[last:-2] * (101 - usual) + data[-2:]).size == (64, 64)


def test_a_small_tiff_with_a_huge_tile():
    data = bytearray(encode(corners(16, 16), "TIFF", compression="tiff_deflate"))
    ifd = int.from_bytes(data[4:8], "little")
    tags = data[ifd + 2 :]
    # RowsPerStrip (278) and StripByteCounts (279) become the width and length of a tile (322, 323).
    for old, new in ((278, 322), (279, 323)):
        at = tags.index(old.to_bytes(2, "little"))
        tags[at : at + 12] = struct.pack("<HHII", new, 4, 1, 30000)
    expect(
        bytes(data[: ifd + 2] + tags),
        "image: tiles of 30000x30000 in a TIFF of 16x16; expected at most 16777216 pixels in a tile. "
        "Save the image again.",
    )


def test_too_little_memory_is_said_and_is_the_answer_to_this_image_alone(monkeypatch):
    def out_of_memory(image, scale):
        raise MemoryError

    monkeypatch.setattr(image_module, "_to_rgb", out_of_memory)
    expect(
        encode(corners(16, 8), "PNG"),
        "image: 16x8 pixels need more memory than there is; expected a smaller image. "
        "Send it smaller, or give the process more memory.",
    )


def test_high_depth_is_scaled_the_same_in_every_strip():
    values = np.zeros((600, 2), np.uint16)
    values[:, 0], values[599, 1] = 25700, 65535
    pixels = np.asarray(decode(encode(Image.fromarray(values), "PNG")).pixels)
    assert (pixels[:, 0] == 100).all()
    assert pixels[599, 1].tolist() == [255, 255, 255]
    assert (pixels[:599, 1] == 0).all()


def test_numbers_that_are_none_in_a_floating_point_tiff():
    values = np.array([[np.nan, 0.0, 0.5, 1.0, -np.inf, np.inf, 3e38]], np.float32)
    pixels = np.asarray(decode(encode(Image.fromarray(values), "TIFF")).pixels)
    assert pixels[0, :, 0].tolist() == [0, 0, 128, 255, 0, 255, 255]


def test_half_transparent_pixels_are_mixed_with_white():
    data = encode(Image.new("RGBA", (1, 1), (100, 0, 200, 51)), "PNG")  # a fifth of the colour
    assert np.asarray(decode(data).pixels)[0, 0].tolist() == [224, 204, 244]
