from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from runtime.letterbox import Letterbox
from runtime.manifest import PADDING
from trainer.assigner import IGNORED
from trainer.augment import CLOSING, STRENGTHS, Augmentation, augment, letterbox_example, of_phase
from trainer.example import Example

SIZE = (200, 120)
BOX = (60, 30, 120, 90)


def example(box=BOX, size=SIZE):
    """Black, with a white box where the ground truth says one is."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    x1, y1, x2, y2 = box
    pixels[y1:y2, x1:x2] = 255
    return Example(Image.fromarray(pixels), size, np.float32([box]), np.array([3]))


def white_box(pixels):
    ys, xs = np.nonzero(pixels.min(axis=2) > 200)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])


@pytest.mark.parametrize("seed", range(40))
def test_boxes_stay_on_their_pixels(seed):
    strength = Augmentation(colour=0, mosaic=0)
    pixels, boxes, class_ids, _ = augment(example(), example, (96, 64), strength, np.random.default_rng(seed))

    assert pixels.shape == (64, 96, 3)
    assert class_ids.tolist() == [3]
    # A window cuts at most a bit of the object off; what is seen of it is the box, to a pixel of blur.
    np.testing.assert_allclose(white_box(pixels), boxes[0], atol=1.6)


@pytest.mark.parametrize("seed", range(20))
def test_a_mosaic_has_a_box_for_each_white_region(seed):
    strength = Augmentation(colour=0, mosaic=1)
    pixels, boxes, _, _ = augment(example(), example, (192, 128), strength, np.random.default_rng(seed))

    assert len(boxes) >= 1
    shown = np.zeros(pixels.shape[:2], bool)
    for x1, y1, x2, y2 in boxes:
        region = pixels[round(y1) + 2 : round(y2) - 2, round(x1) + 2 : round(x2) - 2]
        assert region.min(initial=255) > 200
        shown[max(round(y1) - 3, 0) : round(y2) + 3, max(round(x1) - 3, 0) : round(x2) + 3] = True
    # What is white outside of all boxes belongs to objects of which too little is seen.
    assert (pixels.min(axis=2) > 200)[~shown].mean() < 0.06


def test_the_same_seed_gives_the_same_image():
    first, second = (
        augment(example(), example, (96, 64), STRENGTHS["strong"], np.random.default_rng(7)) for _ in range(2)
    )

    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_an_image_without_objects_stays_without():
    empty = Example(Image.new("RGB", SIZE), SIZE, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    _, boxes, class_ids, _ = augment(empty, lambda: empty, (96, 64), STRENGTHS["strong"], np.random.default_rng(0))

    assert boxes.shape == (0, 4)
    assert class_ids.shape == (0,)


def test_a_reduced_image_keeps_the_frame_of_its_boxes():
    whole = example()
    reduced = Example(whole.image.resize((100, 60)), SIZE, whole.boxes, whole.class_ids)
    strength = Augmentation(zoom=(1, 1), stretch=1, flip=0, colour=0, mosaic=0)
    pixels, boxes, _, _ = augment(reduced, lambda: reduced, (100, 60), strength, np.random.default_rng(0))

    assert boxes.tolist() == [[30, 15, 60, 45]]
    np.testing.assert_allclose(white_box(pixels), [30, 15, 60, 45], atol=1)


def test_plain_is_what_serving_sees():
    whole = example()
    pixels, boxes, _, _ = letterbox_example(whole, (96, 96))

    letterbox = Letterbox.fit(SIZE, (96, 96))
    assert np.array_equal(pixels, letterbox.pixels(whole.image))
    assert (pixels[-1] == PADDING).all()
    np.testing.assert_allclose(letterbox.to_image(boxes), whole.boxes, atol=1e-3)


def test_the_closing_phase_ends_mosaic_and_strong_zoom():
    assert of_phase("strong", closing=False) == STRENGTHS["strong"]
    assert of_phase("strong", closing=True) is CLOSING
    assert CLOSING.mosaic == 0
    assert CLOSING.zoom == (0.8, 1.25)
    assert of_phase("weak", closing=True) is STRENGTHS["weak"]
    assert of_phase("none", closing=True) is None


def test_objects_are_pasted_until_the_closing_phase():
    assert of_phase("strong", closing=False, copy_paste=0.3) == Augmentation(copy_paste=0.3)
    assert of_phase("strong", closing=True, copy_paste=0.3) == CLOSING
    assert of_phase("weak", closing=False, copy_paste=0.3) == STRENGTHS["weak"]
    assert of_phase("none", closing=False, copy_paste=0.3) is None


@pytest.mark.parametrize("mosaic", [0, 1])
def test_pasted_objects_have_boxes_too(mosaic):
    strength = Augmentation(colour=0, mosaic=mosaic, copy_paste=1)
    plain = replace(strength, copy_paste=0)

    found, without = (
        [len(augment(example(), example, (192, 128), one, np.random.default_rng(seed))[1]) for seed in range(20)]
        for one in (strength, plain)
    )

    assert sum(found) > 1.2 * sum(without)


def part_with_sides(low, high, *, closing, tile_zoom):
    """Part of many augmented inputs with an object of such a side; it has 30 pixels in the letterboxed input."""
    big = example(box=(600, 600, 700, 700), size=(1280, 1280))
    strength = of_phase("strong", closing=closing, tile_zoom=tile_zoom)
    inputs = [augment(big, lambda: big, (384, 384), strength, np.random.default_rng(seed)) for seed in range(150)]
    return np.mean([any(low < box[2] - box[0] < high for box in boxes) for _, boxes, _, _ in inputs])


@pytest.mark.parametrize("closing", [False, True])
def test_many_inputs_show_the_scale_of_tiles_to_the_end_of_training(closing):
    """About 78 pixels in tiles of 2.6 times the zoom; half of the inputs, less those that show no object."""
    in_tiles = partial(part_with_sides, 0.8 * 78, 1.25 * 78, closing=closing)

    assert in_tiles(tile_zoom=2.6) > 0.15
    assert in_tiles(tile_zoom=1.0) < 0.05
    assert part_with_sides(0, 45, closing=closing, tile_zoom=2.6) > 0.25  # whole images are learnt as well


def test_a_tile_of_training_is_around_an_object_or_anywhere():
    """A tile shows a ninth of the image, which has one object: by chance few would show it."""
    assert part_with_sides(0, 400, closing=True, tile_zoom=2.6) == pytest.approx(
        0.5 + 0.5 * (0.7 + 0.3 * 0.15), abs=0.1
    )


def crowd(class_id=3):
    """Black, 1280 x 1280, with 400 boxes of 40 pixels, 24 pixels apart."""
    boxes = np.float32([(x, y, x + 40, y + 40) for x in range(0, 1280, 64) for y in range(0, 1280, 64)])
    return Example(Image.new("RGB", (1280, 1280)), (1280, 1280), boxes, np.full(len(boxes), class_id))


def tiles_of(big, count=30):
    """Boxes and class ids of the inputs at the scale of tiles: an object has 31 pixels there, 12 in a whole image."""
    strength = Augmentation(zoom=(1, 1), stretch=1, mosaic=0, flip=0, colour=0, tile_zoom=2.6)
    made = [augment(big, lambda: big, (384, 384), strength, np.random.default_rng(seed)) for seed in range(count)]
    return [(boxes, class_ids) for _, boxes, class_ids, _ in made if np.median(boxes[:, 2] - boxes[:, 0]) > 28]


def test_among_many_objects_tiles_are_shown_too_and_what_they_cut_is_ignored():
    shown = tiles_of(crowd())

    assert len(shown) >= 8  # of 30, half
    for boxes, class_ids in shown:
        parts = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / (40 * 0.78) ** 2
        assert (class_ids[parts > 0.45] == 3).all()
        assert (class_ids[parts < 0.35] == IGNORED).all()


def test_tiles_are_not_around_ignore_regions_and_show_any_part_of_them():
    """One object at the left, one region at the right: a tile is around the object, or anywhere."""
    boxes, class_ids = np.float32([(0, 600, 40, 640), (640, 0, 1280, 1280)]), np.array([3, IGNORED])
    big = Example(Image.new("RGB", (1280, 1280)), (1280, 1280), boxes, class_ids)
    strength = Augmentation(zoom=(1, 1), stretch=1, mosaic=0, flip=0, tile_zoom=2.6)
    found = [
        ids.tolist()
        for _, _, ids, _ in (augment(big, None, (384, 384), strength, np.random.default_rng(s)) for s in range(60))
    ]

    assert found.count([3]) > found.count([IGNORED]) > 0


def test_what_the_network_found_in_the_whole_image_is_not_shown_in_tiles():
    assert tiles_of(replace(crowd(), found_in_whole=True)) == []


def test_without_tiles_nothing_changes():
    assert of_phase("strong", closing=False) == STRENGTHS["strong"]
    assert of_phase("none", closing=True, tile_zoom=2.6) is None
