from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from runtime.masks import InstanceMask
from trainer import copy_paste_masks
from trainer.assigner import IGNORED
from trainer.augment import STRENGTHS, Augmentation, augment
from trainer.copy_paste_masks import mask_without, paste_objects
from trainer.example import Example
from trainer.placed_masks import PlacedMask, instance_masks

SIZE = (64, 32)
ALWAYS = np.random.default_rng(0)


def square(left, top, width, height):
    return InstanceMask.from_bitmap(np.ones((height, width)), left, top)


def canvas(*masks, colour, class_ids=None, plain=()):
    """An input of one colour: objects with masks, and boxes without."""
    boxes = np.float32([*(mask.box for mask in masks), *plain]).reshape(-1, 4)
    placed = (*(PlacedMask.as_it_is(mask, SIZE) for mask in masks), *[None] * len(plain))
    ids = np.arange(len(boxes)) if class_ids is None else np.array(class_ids)
    return Image.new("RGB", SIZE, colour), boxes, ids, placed


def paste(target, source, monkeypatch, part=1.0):
    monkeypatch.setattr(copy_paste_masks, "PASTED_PART", part)
    return paste_objects(*target, source, np.random.default_rng(0))


def test_an_object_is_pasted_with_its_box_and_its_mask(monkeypatch):
    ring = np.ones((8, 8))
    ring[2:6, 2:6] = 0
    source = canvas(InstanceMask.from_bitmap(ring, 40, 10), colour="white", class_ids=[7])
    image, boxes, class_ids, masks = paste(canvas(square(2, 2, 10, 10), colour="black"), source, monkeypatch)

    assert boxes.tolist() == [[2, 2, 12, 12], [40, 10, 48, 18]]
    assert class_ids.tolist() == [0, 7]
    cells, known = instance_masks(masks, 2, SIZE, 1)
    assert known.all()
    assert np.array_equal(cells[1, 10:18, 40:48], ring)
    # The hole shows what is below.
    assert np.array_equal(np.asarray(image).min(axis=2) == 255, cells[1] == 1)


def test_what_is_below_loses_its_pixels_and_its_box_follows(monkeypatch):
    target = canvas(square(10, 10, 20, 10), colour="black")
    image, boxes, _, masks = paste(target, canvas(square(22, 5, 20, 20), colour="white"), monkeypatch)

    # 8 of 20 columns are covered.
    assert boxes.tolist() == [[10, 10, 22, 20], [22, 5, 42, 25]]
    cells, _ = instance_masks(masks, 2, SIZE, 1)
    assert cells.sum(axis=(1, 2)).tolist() == [120, 400]
    assert not (cells[0] & cells[1]).any()
    assert np.asarray(image)[12, 21].tolist() == [0, 0, 0]


def test_an_object_that_would_hide_another_is_not_pasted(monkeypatch):
    target = canvas(square(10, 10, 20, 10), colour="black")
    assert paste(target, canvas(square(12, 5, 30, 20), colour="white"), monkeypatch) is not None
    image, boxes, _, masks = paste(target, canvas(square(12, 5, 30, 20), colour="white"), monkeypatch)

    assert not np.asarray(image).any()
    assert boxes.tolist() == [[10, 10, 30, 20]]
    assert masks == target[3]


def test_a_plain_box_is_not_hidden_either_and_keeps_its_box(monkeypatch):
    target = canvas(colour="black", plain=[(10, 10, 30, 20)])
    hidden = paste(target, canvas(square(12, 5, 30, 20), colour="white"), monkeypatch)
    assert hidden[1].tolist() == [[10, 10, 30, 20]]

    _, boxes, _, masks = paste(target, canvas(square(24, 5, 30, 20), colour="white"), monkeypatch)
    assert boxes.tolist() == [[10, 10, 30, 20], [24, 5, 54, 25]]
    assert masks[0] is None


def test_several_objects_together_do_not_hide_a_plain_box(monkeypatch):
    target = canvas(colour="black", plain=[(10, 10, 30, 20)])
    source = canvas(square(10, 10, 10, 10), square(20, 10, 10, 10), colour="white")
    _, boxes, _, _ = paste(target, source, monkeypatch)

    assert boxes.tolist() == [[10, 10, 30, 20], [10, 10, 20, 20]]


def test_objects_of_the_source_do_not_hide_each_other(monkeypatch):
    source = canvas(square(2, 2, 20, 20), square(10, 10, 20, 20), square(40, 2, 9, 9), colour="white")
    _, boxes, _, _ = paste(canvas(colour="black"), source, monkeypatch)

    assert boxes.tolist() == [[2, 2, 22, 22], [40, 2, 49, 11]]


def test_ignore_regions_are_pasted_over_and_never_pasted(monkeypatch):
    target = canvas(colour="black", plain=[(10, 10, 30, 20)], class_ids=[IGNORED])
    source = canvas(square(5, 5, 40, 20), square(50, 5, 8, 8), colour="white", class_ids=[2, IGNORED])
    _, boxes, class_ids, _ = paste(target, source, monkeypatch)

    assert class_ids.tolist() == [IGNORED, 2]
    assert boxes.tolist() == [[10, 10, 30, 20], [5, 5, 45, 25]]


def test_objects_without_a_mask_are_never_pasted(monkeypatch):
    target = canvas(square(2, 2, 10, 10), colour="black")
    assert paste(target, canvas(colour="white", plain=[(40, 10, 50, 20)]), monkeypatch)[1].tolist() == [[2, 2, 12, 12]]
    assert paste(target, canvas(square(40, 10, 9, 9), colour="white"), monkeypatch, part=0.0)[0] is target[0]


def test_pixels_that_another_mask_has_are_taken_away():
    left = mask_without(square(0, 0, 4, 4), square(2, 0, 4, 2))
    assert left.bitmap.astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert mask_without(square(1, 1, 2, 2), square(0, 0, 9, 9)) is None
    assert mask_without(square(0, 0, 2, 2), square(5, 5, 2, 2)) == square(0, 0, 2, 2)


def test_it_is_off_unless_asked():
    assert all(strength is None or strength.copy_paste == 0 for strength in STRENGTHS.values())


def test_augmentation_pastes_objects_of_another_image():
    black = Example(Image.new("RGB", SIZE), SIZE, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    pixels = np.full((32, 64, 3), 90, np.uint8)
    pixels[8:24, 20:44] = 255
    mask = square(20, 8, 24, 16)
    white = Example(Image.fromarray(pixels), SIZE, np.float32([mask.box]), np.array([3]), (mask,))
    strength = Augmentation(zoom=(1, 1), stretch=1, flip=0, colour=0, mosaic=0, copy_paste=1, outlines=True)

    made = [augment(black, lambda: white, SIZE, strength, np.random.default_rng(seed)) for seed in range(8)]
    pasted = [example for example in made if len(example.boxes)]
    assert 0 < len(pasted) < 8
    for example in pasted:
        assert example.boxes.tolist() == [[20, 8, 44, 24]]
        assert example.class_ids.tolist() == [3]
        assert np.array_equal(np.argwhere(example.pixels[..., 0] == 255)[[0, -1]], [[8, 20], [23, 43]])
        assert not (example.pixels == 90).any()
    off = augment(black, lambda: white, SIZE, replace(strength, copy_paste=0), np.random.default_rng(0))
    assert not off.pixels.any()


@pytest.mark.parametrize("seed", range(4))
def test_images_are_the_same_with_masks_unless_these_are_pasted(seed):
    boxes = Example(Image.new("RGB", SIZE), SIZE, np.float32([[20, 8, 44, 24]]), np.array([3]))
    with_masks = replace(boxes, masks=(square(20, 8, 24, 16),))
    strength = replace(STRENGTHS["strong"], copy_paste=0.5)
    of_boxes, of_masks = (
        augment(example, lambda example=example: example, SIZE, strength, np.random.default_rng(seed))
        for example in (boxes, with_masks)
    )

    assert np.array_equal(of_boxes.pixels, of_masks.pixels)
    assert np.array_equal(of_boxes.boxes, of_masks.boxes)
