"""When tiles are trained for."""

import numpy as np
import pytest

from runtime.manifest import Tiles
from trainer import tiling
from trainer.config import parse_tiles
from trainer.datasets import Sample

INPUT = (320, 320)


def sample(side, image_side, boxes=3):
    drawn = np.float32([[0, 0, side, side]] * boxes).reshape(-1, 4)
    return Sample("a.jpg", None, "", (image_side, image_side), drawn, np.zeros(boxes, int), "")


@pytest.mark.parametrize(
    ("side", "image_side", "tiles"),
    [
        (60, 640, "2"),  # 30 pixels in the input, from twice the size
        (60, 1280, "3"),  # 15 pixels: in two tiles a side 27, in three 39
        (100, 1280, "2"),  # 25 pixels: in two tiles a side 45
        (40, 480, "none"),  # the images have no more detail to show
        (140, 1280, "none"),  # 35 pixels are not small
        (20, 100, "none"),  # smaller than the input
    ],
)
def test_tiles_are_tried_where_objects_are_small_and_images_have_more_detail(side, image_side, tiles):
    assert tiling.choose([sample(side, image_side)], INPUT).tiles == tiles


def test_each_decision_has_a_reason():
    def reason(side, image_side, **options):
        return tiling.choose([sample(side, image_side)], INPUT, **options).reason

    assert reason(60, 1280) == (
        "half of the objects are smaller than 15 pixels in the input, and the images 4.0 times larger: trains for "
        "3 x 3 tiles, too, and uses them if that pays on the validation images"
    )
    assert reason(40, 480) == "the images have only 1.5 times as many pixels a side as the input shows"
    assert reason(140, 1280) == "fewer than half of the objects are smaller than 32 pixels in the input"
    assert reason(60, 1280, augment="none") == "augment=none shows whole images only"


def test_half_of_the_objects_decide():
    few, many = sample(60, 1280, boxes=2), sample(200, 1280, boxes=3)

    assert tiling.choose([few, many], INPUT).tiles == "none"
    assert tiling.choose([few, few, many], INPUT).tiles == "3"


def test_nothing_shows_the_scale_of_tiles_without_augmentation():
    assert tiling.choose([sample(60, 1280)], INPUT, augment="none").tiles == "none"


def test_images_without_boxes_are_no_reason():
    assert tiling.choose([sample(60, 1280, boxes=0)], INPUT).tiles == "none"


def test_values_of_the_argument_are_tiles():
    assert (parse_tiles("none"), parse_tiles(None), parse_tiles("3")) == (None, None, Tiles(3))
