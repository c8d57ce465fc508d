import numpy as np
import pytest
from PIL import Image

from runtime.masks import InstanceMask
from trainer.assigner import IGNORED
from trainer.augment import Augmentation, augment, letterbox_example
from trainer.example import Example
from trainer.placed_masks import PlacedMask, instance_masks

SIZE = (200, 120)
STRIDES = (1, 4)


def square(left, top, width, height):
    return InstanceMask.from_bitmap(np.ones((height, width)), left, top)


def placed(mask, *, scale=(1.0, 1.0), offset=(0.0, 0.0), region=(0, 0, 64, 32)):
    return PlacedMask(mask, scale, offset, region)


def test_a_mask_in_cells_of_four_pixels():
    # Columns 8 to 20 fill cells 2 to 4; rows 4 to 10 the cell 1, and half of the cell 2.
    found = placed(square(8, 4, 12, 6)).to_input((64, 32), 4)
    assert found.box == (2, 1, 5, 3)
    assert found.area == 6

    # Only a quarter of the cell 2.
    assert placed(square(8, 4, 12, 5)).to_input((64, 32), 4).box == (2, 1, 5, 2)


def test_a_mask_is_scaled_and_moved():
    found = placed(square(10, 10, 20, 10), scale=(0.5, 2.0), offset=(3.0, -10.0)).to_input((64, 32))
    assert found.box == (8, 10, 18, 30)
    assert found.area == 200


def test_a_mirrored_mask():
    corner = np.ones((4, 8))
    corner[:2, 4:] = 0
    found = placed(InstanceMask.from_bitmap(corner, 10, 4)).mirrored(64).to_input((64, 32))

    assert found.box == (46, 4, 54, 8)
    assert np.array_equal(found.bitmap, corner[:, ::-1])
    assert placed(square(10, 4, 8, 4)).mirrored(64).mirrored(64) == placed(square(10, 4, 8, 4))


def test_a_hole_stays_a_hole():
    ring = np.ones((16, 16))
    ring[4:12, 4:12] = 0
    cells, known = instance_masks((placed(InstanceMask.from_bitmap(ring, 8, 8)),), 1, (64, 32), 4)

    assert cells[0, 2:6, 2:6].tolist() == [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    assert cells.sum() == 12
    assert known.tolist() == [True]


def test_a_thin_object_does_not_vanish():
    wire = placed(square(5, 5, 40, 1))
    found = wire.to_input((64, 32), 8)

    # An eighth of the cells 1 to 4, 5/64 of the cell 5, 3/64 of the cell 0: less than half of an eighth.
    assert found.box == (1, 0, 6, 1)
    assert wire.to_input((64, 32), 32) is not None


def test_only_what_is_shown_of_an_object():
    tile = (16.0, 8.0, 48.0, 32.0)
    assert placed(square(0, 0, 64, 32), region=tile).to_input((64, 32)).box == (16, 8, 48, 32)
    assert placed(square(0, 0, 10, 10), region=tile).to_input((64, 32)) is None
    assert placed(square(0, 0, 20, 20), offset=(-10.0, -15.0)).to_input((64, 32)).box == (0, 0, 10, 5)
    assert placed(square(0, 0, 20, 20), offset=(60.0, 30.0)).to_input((64, 32)).box == (60, 30, 64, 32)


def test_boxes_without_a_mask_are_not_known():
    masks = (None, placed(square(0, 0, 8, 8)), placed(square(0, 0, 8, 8), offset=(-50.0, 0.0)))
    cells, known = instance_masks(masks, 3, (64, 32), 8)

    assert cells.dtype == np.uint8
    assert cells.shape == (3, 4, 8)
    assert known.tolist() == [False, True, False]
    assert cells.sum(axis=(1, 2)).tolist() == [0, 1, 0]


def test_a_mask_in_the_frame_of_a_box():
    """A 4x4 frame of cells of 4 by 2 pixels: columns 8 to 16 are its middle, and rows 5 to 12 go from its cell 0 on."""
    found = placed(square(8, 5, 8, 7)).in_box(np.float32([4, 4, 20, 12]), 4)

    assert found.astype(int).tolist() == [[0, 1, 1, 0]] * 4
    assert placed(square(8, 6, 8, 6)).in_box(np.float32([4, 4, 20, 12]), 4).any(axis=1).tolist() == [False, *[True] * 3]


def test_the_frame_of_a_box_moves_with_the_mask():
    corner = np.ones((8, 8))
    corner[:4, 4:] = 0
    mask = InstanceMask.from_bitmap(corner, 10, 4)
    moved = placed(mask, scale=(2.0, 0.5), offset=(-10.0, 7.0)).in_box(np.float32([10, 9, 26, 13]), 8)

    assert np.array_equal(moved, corner)
    assert np.array_equal(placed(mask).mirrored(64).in_box(np.float32([46, 4, 54, 12]), 8), corner[:, ::-1])


def test_a_frame_shows_only_what_is_shown_of_an_object():
    half = placed(square(0, 0, 64, 32), region=(32.0, 0.0, 64.0, 32.0)).in_box(np.float32([24, 0, 40, 32]), 4)

    assert half.astype(int).tolist() == [[0, 0, 1, 1]] * 4
    assert placed(square(0, 0, 8, 8)).in_box(np.float32([20, 20, 30, 30]), 4) is None
    assert placed(square(0, 0, 8, 8), offset=(-50.0, 0.0)).in_box(np.float32([0, 0, 8, 8]), 4) is None
    assert placed(square(0, 0, 8, 8)).in_box(np.float32([4, 4, 4, 8]), 4) is None


def test_a_thin_object_does_not_vanish_in_a_frame():
    assert placed(square(5, 5, 40, 1)).in_box(np.float32([5, 0, 45, 32]), 4).sum() == 4


def test_an_image_without_masks_has_none():
    cells, known = instance_masks((), 2, (64, 32), 4)
    assert (cells.shape, known.tolist()) == ((2, 8, 16), [False, False])


def ellipse_example(seed=0):
    """Black, with a white ellipse, whose mask is its pixels, and a grey box without a mask."""
    rng = np.random.default_rng(seed)
    cx, cy = rng.uniform(70, 130), rng.uniform(50, 70)
    y, x = np.mgrid[0.5 : SIZE[1], 0.5 : SIZE[0]]
    inside = ((x - cx) / 40) ** 2 + ((y - cy) / 25) ** 2 < 1
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[inside] = 255
    pixels[2:22, 2:42] = 100
    mask = InstanceMask.from_bitmap(inside)
    boxes = np.float32([mask.box, (2, 2, 42, 22)])
    return Example(Image.fromarray(pixels), SIZE, boxes, np.array([0, 1]), (mask, None))


def overlap(pixels, cells, stride):
    """IoU of all masks with what is white, in input pixels."""
    shown = np.zeros(pixels.shape[:2], bool)
    for mask in cells:
        shown |= np.kron(mask, np.ones((stride, stride))).astype(bool)[: shown.shape[0], : shown.shape[1]]
    white = pixels.min(axis=2) > 127
    return (shown & white).sum() / max((shown | white).sum(), 1)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("mosaic", [0, 1])
def test_masks_stay_on_their_pixels(seed, mosaic):
    strength = Augmentation(colour=0, mosaic=mosaic)
    size = (384, 256)
    made = augment(ellipse_example(), lambda: ellipse_example(seed), size, strength, np.random.default_rng(seed))

    assert len(made.masks) == len(made.boxes)
    for stride, least in ((1, 0.93), (4, 0.85)):
        cells, known = instance_masks(made.masks, len(made.boxes), size, stride)
        assert known.tolist() == (made.class_ids == 0).tolist()
        if known.any() and not mosaic:  # a mosaic shows a little of objects that are left out
            assert overlap(made.pixels, cells, stride) > least
        for box, mask in zip(made.boxes[known], cells[known], strict=True):
            rows, columns = np.nonzero(mask)
            around = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * stride
            assert (np.abs(around - box) <= 1 + stride).all()


@pytest.mark.parametrize("seed", range(12))
def test_masks_stay_on_their_pixels_in_tiles(seed):
    """What a tile cuts is ignored, and has no mask; the rest has one."""
    strength = Augmentation(colour=0, mosaic=0, tile_zoom=1.8)
    size = (384, 256)
    made = augment(ellipse_example(), None, size, strength, np.random.default_rng(seed))
    cells, known = instance_masks(made.masks, len(made.boxes), size, 1)

    assert known.tolist() == (made.class_ids == 0).tolist()
    if known.any():
        assert overlap(made.pixels, cells, 1) > 0.93
    assert [mask is not None for mask in made.masks] == known.tolist()


def test_an_object_that_a_tile_cuts_is_ignored_without_a_mask():
    """A tile inside of it shows a sixth of the object."""
    mask = square(0, 0, 40, 100)
    example = Example(Image.new("RGB", (100, 100)), (100, 100), np.float32([mask.box]), np.array([0]), (mask,))
    strength = Augmentation(zoom=(1, 1), stretch=1, flip=0, colour=0, mosaic=0, tile_zoom=4)
    made = [augment(example, None, (100, 100), strength, np.random.default_rng(seed)) for seed in range(40)]
    cut = [one for one in made if one.class_ids.tolist() == [IGNORED]]

    assert len(cut) > 5
    assert all(one.masks == (None,) for one in cut)
    assert any(one.masks[0] is not None for one in made if one.class_ids.tolist() == [0])


def test_masks_change_neither_pixels_nor_boxes():
    with_masks = ellipse_example()
    without = Example(with_masks.image, SIZE, with_masks.boxes, with_masks.class_ids)
    for seed in range(5):
        first, second = (
            augment(example, lambda: example, (96, 64), Augmentation(), np.random.default_rng(seed))  # noqa: B023
            for example in (with_masks, without)
        )
        assert np.array_equal(first.pixels, second.pixels)
        assert np.array_equal(first.boxes, second.boxes)
        assert second.masks == ()


def test_the_letterbox_places_masks():
    made = letterbox_example(ellipse_example(), (100, 100))
    cells, known = instance_masks(made.masks, 2, (100, 100), 1)

    assert known.tolist() == [True, False]
    assert overlap(made.pixels[:60], cells[:, :60], 1) > 0.95
    assert not cells[:, 60:].any()
