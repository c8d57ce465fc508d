import math
import re

import numpy as np
import pytest

from preannotate.formats.geometry import decode_coco_counts, ellipse_box, points_box, rotated_box, run_length_box


def test_a_box_turned_by_a_right_angle_swaps_its_sides_about_its_centre():
    """Centre (30, 20), 40 wide and 20 high: then 20 wide and 40 high."""
    assert rotated_box((10, 10, 50, 30), 90) == pytest.approx((20, 0, 40, 40))
    assert rotated_box((10, 10, 50, 30), 180) == pytest.approx((10, 10, 50, 30))


@pytest.mark.parametrize("degrees", [33.5, -20, 100, 200, 305])
def test_a_turned_box_is_the_box_around_its_turned_corners(degrees):
    turn = math.radians(degrees)
    corners = np.array([[-20, -10], [20, -10], [20, 10], [-20, 10]])
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    around = points_box((corners @ matrix.T + (30, 20)).flatten().tolist())

    assert rotated_box((10, 10, 50, 30), degrees) == pytest.approx(around)


def test_an_upright_ellipse_fills_its_radii():
    assert ellipse_box(50, 40, 30, 10) == (20, 30, 80, 50)


def test_an_ellipse_turned_by_a_right_angle_swaps_its_radii():
    assert ellipse_box(50, 40, 30, 10, 90) == pytest.approx((40, 10, 60, 70))


def test_a_turned_ellipse_is_tighter_than_its_turned_box():
    """At 45 degrees radii 3 and 4 reach hypot(3, 4) / sqrt(2) = 3.5355."""
    assert ellipse_box(0, 0, 3, 4, 45) == pytest.approx((-3.5355, -3.5355, 3.5355, 3.5355), abs=1e-4)


def test_the_box_of_points_is_their_extent():
    assert points_box([100, 60, 200, 80, 180, 160, 90, 140]) == (90, 60, 200, 160)


def test_a_run_length_box_has_exclusive_ends():
    """Rows of 4: .... / .XX. / .X.. -> 5 zeros, 2 ones, 2 zeros, 1 one, 2 zeros."""
    assert run_length_box([5, 2, 2, 1, 2], minor=4) == (1, 1, 3, 3)


def test_a_run_that_goes_on_in_the_next_line_spans_all_columns():
    """Rows of 4: ...X / X... -> 3 zeros, 2 ones, 3 zeros."""
    assert run_length_box([3, 2, 3], minor=4) == (0, 0, 4, 2)


def test_a_mask_of_ones_starts_with_no_zeros():
    assert run_length_box([0, 12], minor=4) == (0, 0, 4, 3)


@pytest.mark.parametrize("counts", [[12], [4, 0, 8], []])
def test_an_empty_mask_has_no_box(counts):
    assert run_length_box(counts, minor=4) is None


def test_run_length_boxes_agree_with_pixels():
    random = np.random.default_rng(0)
    for _ in range(200):
        height, width = random.integers(1, 7, 2)
        mask = random.random((height, width)) < random.choice([0.1, 0.5, 0.9])
        flat = mask.ravel()
        edges = np.flatnonzero(np.diff(flat.astype(int))) + 1
        counts = np.diff([0, *edges, flat.size]).tolist()
        counts = [0, *counts] if flat[0] else counts
        rows, columns = np.nonzero(mask)
        expected = None
        if len(rows):
            expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)

        assert run_length_box(counts, minor=int(width)) == expected


def test_compressed_counts_are_those_of_pycocotools():
    mask_module = pytest.importorskip("pycocotools.mask")
    mask = np.zeros((240, 320), np.uint8)
    yy, xx = np.mgrid[:240, :320]
    mask[np.hypot(xx - 264, yy - 170) <= 20] = 1
    text = mask_module.encode(np.asfortranarray(mask))["counts"].decode()
    counts = decode_coco_counts(text)

    assert sum(counts) == 240 * 320
    assert sum(counts[1::2]) == int(mask.sum())
    assert run_length_box(counts, minor=240) == (150, 244, 191, 285)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("\x1f", "'\\x1f' is not part of a run-length code"), ("P", "the run-length code ends within a number")],
)
def test_text_that_is_no_run_length_code_is_refused(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        decode_coco_counts(text)
