"""Boxes lie on what they mean, however large the photo that they are drawn on."""

import numpy as np
from PIL import Image

from evaluation import canvas as canvas_module
from evaluation.canvas import Canvas
from runtime.detector import Detection
from runtime.masks import InstanceMask
from tests.functions.image_files import encode

BOXES = np.array([[100, 40, 500, 360]], np.float32)
DETECTION = Detection("cat", 0, 0.5, (100.0, 40.0, 500.0, 360.0))


def picture():
    return encode(Image.new("RGB", (800, 600), (200, 30, 40)), "JPEG")


def test_an_image_is_drawn_on_at_its_own_size():
    canvas = Canvas.decode(picture())
    assert canvas.pixels.size == (800, 600)
    assert canvas.boxes(BOXES).tolist() == BOXES.tolist()
    assert canvas.detections([DETECTION]) == [DETECTION]


def test_a_very_large_photo_is_drawn_on_at_a_reduced_scale(monkeypatch):
    monkeypatch.setattr(canvas_module, "_MAX_SIZE", (200, 200))
    canvas = Canvas.decode(picture())
    assert canvas.pixels.size == (200, 150)
    assert canvas.boxes(BOXES).tolist() == [[25, 10, 125, 90]]
    assert canvas.detections([DETECTION]) == [Detection("cat", 0, 0.5, (25.0, 10.0, 125.0, 90.0))]


def test_masks_come_with_the_image_at_a_smaller_scale():
    canvas = Canvas(Image.new("RGB", (50, 25)), np.array([0.25, 0.25, 0.25, 0.25]))
    block = InstanceMask.from_bitmap(np.ones((16, 24)), 8, 4)
    assert canvas.mask(block) == InstanceMask.from_bitmap(np.ones((4, 6)), 2, 1)
    assert canvas.mask(None) is None
    assert Canvas(canvas.pixels, np.ones(4)).mask(block) is block


def test_a_small_image_is_enlarged_a_whole_number_of_times_with_what_lies_on_it():
    canvas = Canvas(Image.new("RGB", (300, 200)), np.ones(4)).enlarged()
    assert canvas.pixels.size == (900, 600)  # twice would be less than 640
    assert canvas.boxes(BOXES).tolist() == [[300, 120, 1500, 1080]]
    pixel = InstanceMask.from_bitmap(np.ones((1, 1)), 5, 7)
    assert canvas.mask(pixel) == InstanceMask.from_bitmap(np.ones((3, 3)), 15, 21)
    large = Canvas(Image.new("RGB", (640, 10)), np.ones(4))
    assert large.enlarged() is large
    assert Canvas(Image.new("RGB", (1, 1)), np.ones(4)).enlarged().pixels.size == (4, 4)


def test_what_was_reduced_keeps_its_place_at_another_size():
    canvas = Canvas(Image.new("RGB", (400, 300)), np.full(4, 0.5)).resized((200, 300))
    assert canvas.pixels.size == (200, 300)
    assert canvas.boxes(BOXES).tolist() == [[25, 20, 125, 180]]
