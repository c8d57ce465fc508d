import numpy as np
import pytest
from PIL import Image, ImageOps

from trainer.datasets.coordinates import clip, to_upright_pixels, turn


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_boxes_lie_where_exif_transpose_puts_their_pixels(orientation):
    pixels = np.zeros((30, 50), np.uint8)
    pixels[4:9, 7:20] = 255  # box 7, 4, 20, 9
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image))
    rows, columns = np.nonzero(upright)

    turned = turn(np.array([[7.0, 4, 20, 9]]), (50, 30), orientation)
    assert turned.tolist() == [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]


def test_swapped_sizes_without_exif_are_taken_if_the_boxes_fit():
    fits, problem = to_upright_pixels(np.array([[0.0, 0, 90, 190]]), declared=(200, 100), image_size=(100, 200))
    out, reason = to_upright_pixels(np.array([[0.0, 0, 190, 90]]), declared=(200, 100), image_size=(100, 200))

    assert fits.tolist() == [[0, 0, 90, 190]]
    assert problem == "declared width and height are swapped: boxes used as they are"
    assert (out, reason) == (None, "declared size does not belong to the image: not used")


def test_relative_boxes_need_no_declared_size():
    boxes, problem = to_upright_pixels(
        np.array([[0.1, 0.5, 0.2, 1.0]]), declared=None, image_size=(100, 200), relative=True
    )

    assert boxes.tolist() == [[10, 100, 20, 200]]
    assert problem == ""


def test_a_box_of_exactly_one_pixel_survives():
    boxes, kept = clip(np.array([[99.0, 0, 150, 1], [99.5, 0, 150, 1]]), (100, 100))

    assert boxes.tolist() == [[99, 0, 100, 1], [99.5, 0, 100, 1]]
    assert kept.tolist() == [True, False]
