"""Tags say what an object is and hide none."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from evaluation.drawing import Style
from evaluation.tags import Tag, draw_tags

COLOUR, GREY = (230, 159, 0), (90, 90, 90)
SIZE = (400, 300)
STYLE = Style.fitting(SIZE, ("bolt",))


def drawn(tags, objects=None):
    """Where plates lie, bool (H, W), and how many tags were left out."""
    picture = Image.new("RGB", SIZE, GREY)
    left_out = draw_tags(
        ImageDraw.Draw(picture), tags, [tag.box for tag in tags] if objects is None else objects, STYLE, SIZE
    )
    return (np.asarray(picture) != GREY).any(axis=-1), left_out


@pytest.mark.parametrize(("below", "rows"), [(False, slice(100 - STYLE.tag_height, 100)), (True, slice(141, 160))])
def test_a_tag_lies_beside_its_object(below, rows):
    plate, left_out = drawn([Tag("bolt", (100, 100, 140, 140), COLOUR, below)])
    assert left_out == 0
    assert plate[rows, 100:110].any()
    assert not plate[100:141].any()


def test_a_tag_at_the_upper_edge_goes_below_instead_of_over_its_object():
    plate, left_out = drawn([Tag("bolt", (100, 0, 140, 20), COLOUR)])
    assert left_out == 0
    assert not plate[:21].any() and plate[21:].any()


def test_an_object_that_fills_the_image_has_its_tag_inside():
    plate, left_out = drawn([Tag("bolt", (0, 0, 399, 299), COLOUR)])
    assert left_out == 0 and plate.any()


def test_of_tags_that_want_one_place_the_first_ones_are_drawn():
    tag = Tag("bolt", (100, 100, 112, 112), COLOUR)
    first, _ = drawn([tag])
    two, left_out = drawn([tag] * 2)  # above and below; its sides are too near to each other for more
    assert left_out == 0 and (two & first == first).all() and two[113:].any()
    three, left_out = drawn([tag] * 3)
    assert left_out == 1 and (three == two).all()


def test_a_tag_that_would_hide_another_object_is_left_out():
    beside = [(x, y, x + 9, y + 9) for x in range(40, 200, 10) for y in (70, 80, 90, 110, 120, 130)]
    plate, left_out = drawn([Tag("bolt", (100, 100, 109, 109), COLOUR)], [(100, 100, 109, 109), *beside])
    assert left_out == 1
    assert not plate.any()


def test_a_box_of_one_pixel_and_one_outside_are_no_error():
    assert drawn([Tag("bolt", (5, 200, 5, 200), COLOUR), Tag("bolt", (900, 900, 950, 950), COLOUR)])[1] == 0
