"""The letterbox and its inverse."""

import numpy as np
import pytest
from PIL import Image

from runtime.letterbox import Letterbox
from runtime.manifest import PADDING

ODD_SIZES = [(1, 1), (7, 3), (321, 319), (640, 480), (333, 1000), (1999, 77), (4000, 3000)]


def test_wide_image_touches_both_sides_and_is_padded_below():
    letterbox = Letterbox.fit((640, 480), (320, 320))
    assert letterbox.resized == (320, 240)
    pixels = letterbox.pixels(Image.new("RGB", (640, 480), (10, 20, 30)))
    assert pixels.shape == (320, 320, 3)
    assert pixels.dtype == np.uint8
    assert (pixels[:240] == (10, 20, 30)).all()
    assert (pixels[240:] == PADDING).all()


def test_tall_image_is_padded_on_the_right():
    letterbox = Letterbox.fit((100, 200), (64, 64))
    pixels = letterbox.pixels(Image.new("RGB", (100, 200), (10, 20, 30)))
    assert (pixels[:, :32] == (10, 20, 30)).all()
    assert (pixels[:, 32:] == PADDING).all()


def test_box_by_hand_in_a_wide_input():
    letterbox = Letterbox.fit((200, 100), (50, 100))  # a quarter: 50 x 25
    assert letterbox.to_input(np.array([[40, 20, 80, 100]])).tolist() == [[10, 5, 20, 25]]
    assert letterbox.to_image(np.array([[10, 5, 20, 25]])).tolist() == [[40, 20, 80, 100]]


def test_each_axis_uses_its_own_rounded_scale():
    letterbox = Letterbox.fit((300, 7), (100, 100))  # 7 / 3 becomes 2 pixels
    assert letterbox.resized == (100, 2)
    assert np.allclose(letterbox.to_input(np.array([[0, 0, 300, 7]])), [[0, 0, 100, 2]])


@pytest.mark.parametrize("image_size", ODD_SIZES)
@pytest.mark.parametrize("input_size", [(320, 320), (300, 200), (63, 65)])
def test_boxes_survive_the_round_trip(image_size, input_size):
    width, height = image_size
    boxes = np.array([[0, 0, width, height], [0, 0, width / 3, height / 7], [width / 2, height / 2, width, height]])
    letterbox = Letterbox.fit(image_size, input_size)
    there = letterbox.to_input(boxes)
    assert (there[:, 2] <= input_size[0] + 1e-3).all()
    assert (there[:, 3] <= input_size[1] + 1e-3).all()
    assert np.allclose(letterbox.to_image(there), boxes, atol=1e-3)


@pytest.mark.parametrize("image_size", ODD_SIZES)
def test_image_touches_the_input_on_one_axis_and_fits_on_the_other(image_size):
    resized = Letterbox.fit(image_size, (320, 256)).resized
    assert resized[0] == 320 or resized[1] == 256
    assert 1 <= resized[0] <= 320
    assert 1 <= resized[1] <= 256


def test_boxes_outside_come_back_clipped_to_the_image():
    letterbox = Letterbox.fit((640, 480), (320, 320))
    assert letterbox.to_image(np.array([[-10, -10, 330, 320]])).tolist() == [[0, 0, 640, 480]]


def test_pixels_do_not_depend_on_the_size_of_the_rendering():
    """A reduced rendering of one colour gives the same input as the full one."""
    letterbox = Letterbox.fit((640, 480), (64, 64))
    small, full = (letterbox.pixels(Image.new("RGB", size, (9, 9, 9))) for size in ((80, 60), (640, 480)))
    assert (small == full).all()
