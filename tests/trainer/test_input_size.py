import numpy as np
import pytest

from trainer.input_size import between, box_sides, choose

LANDSCAPE, UPRIGHT = (800, 600), (600, 800)


def test_photos_of_one_shape_keep_it():
    assert choose([LANDSCAPE] * 9 + [UPRIGHT]).size == (384, 288)
    assert choose([UPRIGHT]).size == (288, 384)
    assert choose([LANDSCAPE, UPRIGHT]).size == (320, 320)


def test_another_square_has_other_shapes_of_its_area():
    assert choose([LANDSCAPE], side=512).size == (608, 448)
    assert choose([(768, 768)], side=96).size == (96, 96)


def test_the_shorter_side_unless_the_longer_is_too_long():
    assert between([LANDSCAPE], 600, 1024) == (800, 608)  # 800 x 600
    assert between([UPRIGHT], 600, 1024) == (608, 800)
    assert between([(1920, 1080)], 600, 1024) == (1024, 576)


def test_photos_of_mixed_shapes_get_the_square_that_holds_them():
    assert between([LANDSCAPE, UPRIGHT], 600, 1024) == (1024, 1024)


def test_a_very_long_shape_keeps_a_side_that_the_network_can_have():
    assert between([(2000, 100)], 96, 320) == (320, 96)


def boxes(side, image, count=4):
    return [(side, side, *image)] * count


SQUARE = (640, 640)


@pytest.mark.parametrize(
    ("image", "box", "side", "size", "short"),
    [
        (SQUARE, 100, 416, (416, 416), (416, 416)),  # 65 pixels there
        (SQUARE, 48, 416, (576, 576), (448, 448)),  # 48 / 640 of 576 are 43.2, of 448 33.6
        (SQUARE, 34, 320, (576, 576), (576, 576)),  # 1.8 times the usual side
        (SQUARE, 40, 416, (672, 672), (512, 512)),  # 40 / 640 of 672 are 42, of 512 32
        (SQUARE, 5, 416, (768, 768), (768, 768)),  # small in any
        ((256, 256), 16, 416, (672, 672), (512, 512)),  # 42 and 32 pixels there
        ((256, 256), 8, 416, (768, 768), (768, 768)),  # three times its own size
        ((100, 100), 8, 416, (416, 416), (416, 416)),  # more than three times its own size already
        ((4000, 3000), 20, 320, (640, 480), (640, 480)),  # about as many pixels as the square of 576
    ],
)
def test_the_input_grows_until_half_of_the_boxes_are_large_enough(image, box, side, size, short):
    assert choose([image], boxes(box, image), side=side).size == size
    assert choose([image], boxes(box, image), side=side, minutes=5).size == size
    assert choose([image], boxes(box, image), side=side, minutes=4.9).size == short


def test_half_of_the_boxes_decide():
    small, large = boxes(20, SQUARE), boxes(200, SQUARE, 5)

    assert choose([SQUARE], small + large, side=416).size == (416, 416)
    assert choose([SQUARE], small + large[:3], side=416).size == (768, 768)


def test_the_reason_has_what_it_costs():
    grown = choose([SQUARE], boxes(30.8, SQUARE), side=416)

    assert grown.reason == (
        "half of the boxes would be smaller than 20 pixels in the usual 416x416; "
        "each step takes about 3.4 times as long"
    )
    assert choose([SQUARE], boxes(154, SQUARE), side=416).reason == (
        "the usual size, in which half of the boxes are larger than 100 pixels"
    )
    assert choose([SQUARE]).reason == "the usual size"


def test_boxes_are_measured_in_the_letterboxed_input():
    # 800 x 600 in 400 x 400: half of its size.
    np.testing.assert_allclose(box_sides([(40, 90, 800, 600)], (400, 400)), [30])
    assert len(box_sides([], (400, 400))) == 0
