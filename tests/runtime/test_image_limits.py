"""What a file costs is bounded before it is decoded, and large honest images are read all the same."""

import io
import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from runtime import memory
from runtime.errors import ImageError
from runtime.image import decode, prepare
from tests.functions.image_bombs import (
    BOMBS,
    LARGE,
    animated_png,
    avif_of_frames,
    commented_gif,
    jpeg2000,
    jpeg2000_coded,
    numbered_tiff,
    vp8l,
)
from tests.functions.image_files import encode, jpeg_of_size, picture

MAX_BYTES = 300_000_000
# Some take two seconds on an idle machine. This is processor time, which a busy one stretches too.
MAX_SECONDS = 10

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module")
def decode_elsewhere(tmp_path_factory):
    """Decode bytes in a process of their own, and return what it has cost."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.runtime.decoding_child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    path = tmp_path_factory.mktemp("bombs") / "file"

    def cost(data):
        path.write_bytes(data)
        child.stdin.write(f"{path}\n")
        child.stdin.flush()
        answer = child.stdout.readline()
        assert answer, f"the decoder ended the process: {child.wait(timeout=10)}"
        return json.loads(answer)

    cost(encode(picture(), "PNG"))
    yield cost
    child.stdin.close()
    assert child.wait(timeout=10) == 0


@pytest.mark.parametrize("name", BOMBS)
def test_no_file_takes_more_than_its_share(name, decode_elsewhere):
    cost = decode_elsewhere(BOMBS[name]())
    assert cost["bytes"] < MAX_BYTES, cost
    assert cost["seconds"] < MAX_SECONDS, cost


@pytest.mark.parametrize("name", LARGE)
def test_large_images_are_read_within_the_same_share(name, decode_elsewhere):
    cost = decode_elsewhere(LARGE[name]())
    assert "size" in cost, cost
    assert cost["bytes"] < MAX_BYTES, cost
    assert cost["seconds"] < MAX_SECONDS, cost


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (vp8l(13000, 13000), r"13000x13000 pixels of WEBP take 2028 MB to decode; expected at most 275 MB\. Send it "),
        (jpeg_of_size(13000, 13000, progressive=True), r"13000x13000 pixels of JPEG take 508 MB to decode; expected"),
        (jpeg2000(250, 250, tile=(1, 1)), r"more than 4096 tiles in a JPEG 2000; expected fewer\. Save the image"),
        (jpeg2000_coded(1, b"\xff\xff", 64), r"more than 500000 packets in a JPEG 2000; expected fewer\."),
        (jpeg2000_coded(5, b"\0\0"), r"tiny code-blocks or precincts; expected blocks of 16x16 samples and more\."),
        (commented_gif(20_001), r"more than 20000 blocks before the first picture of a GIF; expected fewer\."),
        (numbered_tiff(100_001), r"more than 200000 numbers in the tags of a TIFF; expected fewer\. Save the image"),
    ],
)
def test_what_was_too_much_is_said(data, sentence):
    with pytest.raises(ImageError, match=sentence):
        decode(data, (32, 32))


def test_an_avif_of_frames_that_are_never_shown():
    if "AVIF" not in Image.registered_extensions().values():
        pytest.skip("this Pillow has no AVIF")
    with pytest.raises(
        ImageError, match=r"more than 16 frames in a picture of an AVIF; expected fewer\. Save the image"
    ):
        decode(avif_of_frames(1000))


def test_an_image_that_fits_only_at_a_smaller_scale_keeps_its_size(monkeypatch):
    monkeypatch.setattr("runtime.image_limits.MAX_BYTES", 600 * 400 * 6)  # grey needs 1 byte, as RGB 4 more, the file 1
    shades = np.repeat(np.repeat(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10, 100, 0), 100, 1)
    data = encode(Image.fromarray(shades), "PNG")
    whole = decode(data, (60, 60))
    monkeypatch.setattr("runtime.image_limits.MAX_BYTES", 600 * 400 * 3)
    small = decode(data, (60, 60))
    assert (whole.pixels.size, whole.size) == ((600, 400), (600, 400))
    assert (small.pixels.size, small.size) == ((300, 200), (600, 400))
    assert (np.asarray(small.pixels) == np.asarray(whole.pixels)[::2, ::2]).all()
    with pytest.raises(ImageError, match="600x400 pixels of PNG take 1 MB to decode"):
        decode(data)


@pytest.mark.parametrize("options", [{}, {"tile_size": (64, 64)}, {"irreversible": True, "num_resolutions": 3}])
def test_a_large_jpeg_2000_is_decoded_at_a_reduced_scale(options):
    across, down = np.meshgrid(np.arange(801) / 801, np.arange(603) / 603)
    pixels = (np.stack([across, down, 1 - across], 2) * 255).astype(np.uint8)
    decoded = decode(encode(Image.fromarray(pixels), "JPEG2000", **options), (100, 100))
    assert decoded.size == (801, 603)
    assert decoded.pixels.width < 801
    expected = np.asarray(Image.fromarray(pixels).resize((100, 75), Image.Resampling.BOX), int)
    assert np.abs(np.asarray(decoded.pixels.resize((100, 75)), int) - expected).max() <= 6


def test_a_jpeg_2000_that_would_take_too_long_becomes_smaller_than_wanted(monkeypatch):
    data = encode(picture(800, 600), "JPEG2000")
    assert decode(data, (800, 800)).pixels.size == (800, 600)
    monkeypatch.setattr("runtime.image_limits.MAX_STEPS", 800 * 600 * 10)
    decoded = decode(data, (800, 800))
    assert (decoded.pixels.size, decoded.size) == ((400, 300), (800, 600))


def test_an_image_whose_pixels_are_in_memory_is_not_limited_by_what_they_take(monkeypatch):
    monkeypatch.setattr("runtime.image_limits.MAX_BYTES", 0)
    image = Image.open(io.BytesIO(encode(picture(), "PNG")))
    image.load()
    assert (np.asarray(prepare(image, (9, 9)).pixels) == np.asarray(picture())).all()


def test_heic_is_not_taken_for_avif():
    with pytest.raises(ImageError, match="that no image decoder knows"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + struct.pack(">I4sIII", 20, b"ispe", 0, 30_000, 30_000))


def test_the_first_frame_of_an_animated_png_counts():
    assert (np.asarray(decode(animated_png()).pixels) == np.asarray(picture())).all()


def test_memory_that_a_decoder_may_take_is_limited_and_the_limit_is_lifted():
    with memory.limited(50_000_000), pytest.raises(MemoryError):
        bytearray(200_000_000)
    assert len(bytearray(200_000_000)) == 200_000_000


def test_memory_is_given_back():
    blocks = [bytearray(100_000) for _ in range(1000)]
    before = memory.resident_bytes()
    last = blocks[-1]
    del blocks
    memory.give_back(before - 50_000_000)
    assert memory.resident_bytes() < before - 80_000_000
    assert len(last) == 100_000
