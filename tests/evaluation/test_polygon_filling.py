import numpy as np
import pytest

from evaluation.polygon_filling import fill, polygon_mask
from runtime.masks import InstanceMask, mask_iou
from runtime.polygons import polygon


def test_a_polygon_has_the_pixels_whose_centres_are_inside():
    mask = polygon_mask(np.array([[2.0, 3.0], [7.0, 3.0], [7.0, 8.0], [2.0, 8.0]]))

    assert mask == InstanceMask.from_bitmap(np.ones((5, 5)), 2, 3)


def test_the_pixels_of_all_parts_belong_to_one_object():
    squares = [np.array([[x, 0.0], [x + 2, 0], [x + 2, 2], [x, 2]]) for x in (0.0, 3.0)]

    assert fill(squares, 5, 2).astype(int).tolist() == [[1, 1, 0, 1, 1]] * 2


def test_the_polygon_of_a_mask_has_nearly_its_pixels():
    y, x = np.mgrid[:60, :60] - 29.5
    disc = InstanceMask.from_bitmap(np.hypot(x, y) < 28, 100, 50)

    assert mask_iou([disc], [polygon_mask(polygon(disc))])[0, 0] > 0.97


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 2)),
        np.array([[0.0, 0.0], [5.0, 5.0]]),
        np.array([[0.0, 0.0], [np.nan, 5.0], [5.0, 0.0]]),
        np.array([[0.0, 0.0], [np.inf, 5.0], [5.0, 0.0]]),
        np.array([[0.0, 0.0], [1e300, 5.0], [5.0, 0.0]]),
        np.array([[0.0, 0.0], [1e6, 0.0], [1e6, 1e6]]),  # a million by a million pixels
        np.array([[0.1, 0.1], [0.3, 0.1], [0.3, 0.3]]),  # between the centres
    ],
)
def test_what_is_no_object_of_an_image_has_no_mask(points):
    assert polygon_mask(points) is None


@pytest.mark.parametrize("seed", range(4))
def test_parts_may_overlap_and_lie_in_each_other_and_beyond_the_image(seed):
    generator = np.random.default_rng(seed)
    parts = [generator.uniform(-8, 28, (generator.integers(3, 9), 2)) for _ in range(6)]
    alone = [fill([part], 20, 15) for part in parts]

    assert np.array_equal(fill(parts, 20, 15), np.any(alone, axis=0))


def test_any_number_of_parts_is_filled_together(monkeypatch):
    """Each part as a bitmap of its own would be 20,000 times a megabyte."""
    parts = [np.array([[0.0, row % 900], [1000.0, row % 900], [500.0, row % 900 + 3]]) for row in range(20_000)]

    assert fill(parts, 1000, 1000)[:900].any(axis=1).all()
    monkeypatch.setattr("evaluation.polygon_filling.MAX_CROSSINGS", 1000)
    assert fill(parts, 1000, 1000) is None
    assert fill([], 3, 2).tolist() == [[False] * 3] * 2
