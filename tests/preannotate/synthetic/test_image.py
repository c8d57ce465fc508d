import re

import numpy as np
import pytest

from preannotate.synthetic import LABELS, SyntheticImageError, draw_image, image
from preannotate.synthetic.image import OcclusionMap
from preannotate.synthetic.objects import object_parts
from preannotate.synthetic.shading import Light, outline, paint

SMALL = (320, 240)


def test_a_seed_draws_the_same_image_each_time():
    first, second = draw_image(7, SMALL), draw_image(7, SMALL)

    assert first.image.tobytes() == second.image.tobytes()
    assert first.boxes.tolist() == second.boxes.tolist()
    assert first.class_ids.tolist() == second.class_ids.tolist()


def test_another_seed_draws_another_image():
    assert draw_image(7, SMALL).image.tobytes() != draw_image(8, SMALL).image.tobytes()


def test_images_have_two_to_six_objects_of_every_class_inside_the_picture():
    images = [draw_image(seed, SMALL) for seed in range(40)]

    for drawn in images:
        x1, y1, x2, y2 = drawn.boxes.T
        assert (drawn.image.size, drawn.image.mode, drawn.labels) == (SMALL, "RGB", LABELS)
        assert 2 <= len(drawn.boxes) == len(drawn.class_ids) == len(drawn.occluded) <= 6
        assert (drawn.boxes.dtype, drawn.class_ids.dtype) == (np.float32, np.int64)
        assert (x1 >= 0).all() and (y1 >= 0).all() and (x2 <= 320).all() and (y2 <= 240).all()
        assert (np.minimum(x2 - x1, y2 - y1) >= 4).all()
    assert set(np.concatenate([drawn.class_ids for drawn in images])) == {0, 1, 2, 3}
    occluded = np.concatenate([drawn.occluded for drawn in images])
    assert 0.1 < occluded.mean() < 0.9


def test_objects_are_large_enough_to_be_learned():
    longest = np.concatenate([np.ptp(draw_image(seed).boxes.reshape(-1, 2, 2), axis=1).max(1) for seed in range(12)])

    assert longest.min() >= 40
    assert longest.max() >= 3 * longest.min()


@pytest.mark.parametrize("label", LABELS)
def test_the_box_is_tight_around_the_pixels_of_an_object(label, monkeypatch):
    """With black ground, white paint and a clear lens the picture itself is the mask."""
    monkeypatch.setattr(image, "draw_background", lambda size, rng: np.zeros((*size[::-1], 3), np.float32))
    monkeypatch.setattr(image, "paint", lambda parts, light: np.ones((*outline(parts).shape, 3), np.float32))
    occlusion = OcclusionMap(np.zeros((240, 320), np.uint8))
    canvas = np.zeros((240, 320, 3), np.float32)
    rng = np.random.default_rng(3)

    image._place(LABELS.index(label), canvas, occlusion, Light((0.0, 0.0, 1.0), 0.4), rng)

    class_ids, _ = occlusion.annotations()
    (mask,) = occlusion.masks()
    rows, columns = np.nonzero(canvas[..., 0] > 0.5)
    assert mask.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.array_equal(mask.to_image((320, 240)), canvas[..., 0] > 0.5)
    assert class_ids.tolist() == [LABELS.index(label)]


@pytest.mark.parametrize("label", LABELS)
def test_colour_does_not_tell_the_class(label):
    """Every class comes in reddish, greenish and bluish."""
    light = Light((0.0, 0.0, 1.0), 0.4)
    strongest = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        plane = image.Plane.turned(extent=40, angle=0, margin=2)
        pieces = object_parts(label, plane, rng)[:1]
        strongest.add(int(paint(pieces, light)[outline(pieces) < 0].mean(0).argmax()))

    assert strongest == {0, 1, 2}


def test_a_tiny_size_is_refused():
    with pytest.raises(SyntheticImageError, match=re.escape("size: 640x63 pixels; expected at least 64x64.")):
        draw_image(0, (640, 63))


def test_a_negative_seed_is_refused():
    with pytest.raises(SyntheticImageError, match=re.escape("seed: -1; expected a whole number from 0 on.")):
        draw_image(-1)
