import numpy as np

from preannotate.synthetic.shading import Plane


def test_a_plane_is_centred_and_measured_in_pixels():
    plane = Plane.turned(extent=10, angle=0, margin=2)

    assert plane.x.shape == (15, 15)  # 5 + 2 pixels on each side of the middle one
    assert (plane.x[0] * 10).round(3).tolist()[:3] == [-7, -6, -5]
    assert plane.disc(0, 0, 0.3)[7].round(3).tolist()[7:] == [-3, -2, -1, 0, 1, 2, 3, 4]


def test_an_object_turned_by_90_degrees_points_down():
    plane = Plane.turned(extent=10, angle=90, margin=1)

    line = plane.box(0.25, 0, 0.5, 0.1) < 0

    assert np.flatnonzero(line.any(1)).tolist() == [7, 8, 9, 10]  # below the middle row 6
    assert np.flatnonzero(line.any(0)).tolist() == [6]


def test_a_box_measures_to_its_sides_and_corners():
    plane = Plane.turned(extent=10, angle=0, margin=5)

    distance = plane.box(0, 0, 0.4, 0.2)

    assert distance[10, 10].round(3) == -1  # 1 pixel to the long side
    assert distance[10, 15].round(3) == 3  # 5 - 2
    assert distance[15, 15].round(3) == 5  # corner at (2, 1): 3, 4 -> 5


def test_a_capsule_has_round_ends():
    plane = Plane.turned(extent=10, angle=0, margin=5)

    distance = plane.capsule((0, 0), (0.2, 0), 0.1)

    assert distance[10, 11].round(3) == -1
    assert distance[14, 15].round(3) == 4  # (5, 4) to (2, 0): 5, less the radius 1


def test_a_polygon_reaches_its_sides():
    plane = Plane.turned(extent=10, angle=0, margin=0)

    square = plane.polygon(0, 0, 0.3, 4)

    assert square[5].round(3).tolist() == [2, 1, 0, -1, -2, -3, -2, -1, 0, 1, 2]


def test_a_ring_is_empty_in_the_middle():
    plane = Plane.turned(extent=10, angle=0, margin=0)

    assert (plane.ring(0, 0, 0.3, 0.2)[5].round(3)).tolist() == [1, 0, -1, 0, 1, 2, 1, 0, -1, 0, 1]
