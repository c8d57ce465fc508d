"""Images of more than 8 bits show what their 8-bit original shows, whatever part of their range they use."""

import io

import numpy as np
import pytest
from PIL import Image

from runtime.image import decode
from tests.functions.image_files import encode

# The least value is 0 and the greatest 255, so that stretching gives the same back.
SCENE = np.random.default_rng(3).integers(40, 200, (90, 120)).astype(np.uint8)
SCENE[20:50, 30:80] = 255
SCENE[60:80, 5:25] = 0
FACTORS = {"10 bits": 4, "12 bits": 16, "14 bits": 64, "full": 257}


def shown(data, size=None):
    """Grey levels (height, width), which are the same in all three channels."""
    decoded = decode(data, size)
    assert decoded.stretched
    pixels = np.asarray(decoded.pixels, int)
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


def tiff(values, **options):
    return encode(Image.fromarray(values), "TIFF", **options)


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("name", FACTORS)
def test_a_scene_is_the_same_in_any_number_of_bits(name, offset):
    values = SCENE.astype(np.uint32) * FACTORS[name] + (offset if name != "full" else 0)
    words = values.astype(np.uint16)
    for data in (
        encode(Image.fromarray(words), "PNG"),
        tiff(words, compression="tiff_lzw"),
        tiff(words.astype(">u2")),
        tiff(values.astype(np.int32)),
        tiff(values.astype(np.int32) - 30_000),
        tiff(values.astype(np.float32) / 65535),
        encode(Image.fromarray(words), "JPEG2000", irreversible=False),
        b"P5 120 90 65535\n" + words.astype(">u2").tobytes(),
    ):
        assert np.abs(shown(data) - SCENE).max() == 0


def test_values_between_the_ends_are_rounded():
    assert shown(tiff(np.array([[100, 1000, 4000]], np.uint16))).tolist() == [[0, 59, 255]]  # 900 / 3900 * 255 = 58.8


@pytest.mark.parametrize("least", [1e-40, 1e-30, 1e25])
def test_numbers_of_any_magnitude(least):
    values = np.array([[0, 1, 2, 4]], np.float64) * least
    assert shown(tiff(values.astype(np.float32))).tolist() == [[0, 64, 128, 255]]


@pytest.mark.parametrize("values", [np.full((5, 7), 9000, np.uint16), np.full((5, 7), np.nan, np.float32)])
def test_an_image_of_one_value_is_black(values):
    assert not shown(tiff(values)).any()


def test_values_that_are_missing_do_not_squeeze_the_others():
    values = SCENE.astype(np.float32)
    values[0, :10], values[1, :10], values[2, :10], values[3, :10] = np.nan, np.inf, -np.inf, -3.4e38
    pixels = shown(tiff(values))
    assert (pixels[4:] == SCENE[4:]).all()
    assert [set(row[:10].tolist()) for row in pixels[:4]] == [{0}, {255}, {0}, {0}]


@pytest.mark.parametrize("hot", [0, 65535])
def test_dead_pixels_of_a_sensor_do_not_squeeze_the_others(hot):
    words = 20_000 + SCENE.astype(np.uint16) * 4
    words[::30, ::30] = hot
    pixels = shown(encode(Image.fromarray(words), "PNG"))
    others = np.ones(SCENE.shape, bool)
    others[::30, ::30] = False
    assert (pixels[others] == SCENE[others]).all()
    assert set(pixels[~others].tolist()) == {hot // 257}


def test_a_bright_spot_is_no_dead_pixel():
    words = np.full((100, 100), 1000, np.uint16)
    words[::2] = 1100
    words[50:52, 50:52] = 30_000
    pixels = shown(encode(Image.fromarray(words), "PNG"))
    assert pixels[50, 50] == 255
    assert pixels[0, 0] == 1  # 100 / 29000 * 255 = 0.9


def test_the_range_is_that_of_the_whole_image_however_it_is_divided(monkeypatch):
    words = SCENE.astype(np.uint16) * 16
    monkeypatch.setattr("runtime.high_depth._STRIP_PIXELS", 700)
    monkeypatch.setattr("runtime.image._STRIP_PIXELS", 900)
    assert (shown(encode(Image.fromarray(words), "PNG")) == SCENE).all()


@pytest.mark.parametrize("most_steps", [10**9, 200_000])
def test_the_range_of_a_jpeg_2000_does_not_depend_on_the_size_of_the_network(monkeypatch, most_steps):
    monkeypatch.setattr("runtime.image_limits.MAX_STEPS", most_steps)
    words = SCENE.astype(np.uint16) * 16
    words[10, 10] = words[10, 11] = 60_000  # fades where it is joined with its neighbours
    data = encode(Image.fromarray(words), "JPEG2000", irreversible=False)
    small, large = shown(data, (20, 20)), shown(data, (80, 80))
    assert (small == large).all()
    assert (small.shape == SCENE.shape) == (most_steps == 10**9)


def test_eight_bits_are_not_stretched():
    grey = np.array([[90, 100, 110]], np.uint8)
    decoded = decode(encode(Image.fromarray(grey), "PNG"))
    assert not decoded.stretched
    assert np.asarray(decoded.pixels)[0, :, 0].tolist() == [90, 100, 110]


def test_a_turned_image_of_sixteen_bits():
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(np.rot90(SCENE.astype(np.uint16) * 16).copy()).save(stream, "PNG", exif=exif)
    assert (shown(stream.getvalue()) == SCENE).all()
