"""Validation with and without tiles, of a network that sees the same everywhere."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from runtime.manifest import Tiles
from trainer.datasets import Sample
from trainer.validation import Validator


class SameEverywhere:
    """One object of 20 pixels in each input, 10 pixels from its corner."""

    input_size, iou_threshold = (96, 96), 0.5

    def predict(self, pixels):
        return tf.constant([[[10.0, 10.0, 30.0, 30.0]]]), tf.constant([[[0.9]]])


@pytest.fixture
def validator(tmp_path):
    samples = []
    for name, side in (("large", 432), ("small", 96)):
        path = tmp_path / f"{name}.png"
        Image.new("RGB", (side, side)).save(path)
        boxes = np.zeros((0, 4), np.float32)
        samples.append(Sample(path.name, path, name, (side, side), boxes, np.zeros(0, int), ""))
    return Validator(samples, ("x",), SameEverywhere(), "same")


def test_large_images_are_seen_in_tiles_too(validator):
    """432 pixels are 96 in the whole, 173 in two tiles a side: they begin at 0 and 77."""
    found, milliseconds = validator.timed_detections(Tiles(2))

    assert [len(of_image) for of_image in found] == [5, 1]
    corners = sorted({round(one.box[0]) for one in found[0]})
    assert corners == pytest.approx([25, 45, 217], abs=1)  # 10 * 432 / 173, 10 * 432 / 96, 87 * 432 / 173
    assert milliseconds > 0


def test_without_tiles_it_is_the_usual_validation(validator):
    assert validator.timed_detections(None)[0] == validator.detections()
    assert [len(of_image) for of_image in validator.detections()] == [1, 1]
