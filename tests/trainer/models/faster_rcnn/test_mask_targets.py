import numpy as np
import pytest
import tensorflow as tf

from runtime import mask_composition
from runtime.letterbox import Letterbox
from runtime.manifest import MaskHead, MaskKind
from runtime.masks import InstanceMask, mask_iou
from trainer.models.faster_rcnn.mask_targets import MAX_MASKS, NO_MASK, SIDE, crop_masks, draw_masks
from trainer.models.faster_rcnn.stages import MASK_SIDE
from trainer.placed_masks import PlacedMask

SIZE = (128, 96)
BOX = [20.0, 10, 76, 66]


def placed(bitmap):
    return PlacedMask.as_it_is(InstanceMask.from_bitmap(bitmap), SIZE)


def ring():
    y, x = np.mgrid[0.5 : SIZE[1], 0.5 : SIZE[0]]
    distance = np.hypot(x - 48, y - 38)
    return (distance < 28) & (distance > 10)


def crop(cells, boxes, proposals):
    return crop_masks(tf.constant(cells), *(tf.constant(part, tf.float32) for part in (boxes, proposals))).numpy()


def test_each_object_with_a_mask_has_its_own():
    left, right = np.zeros(SIZE[::-1]), np.zeros(SIZE[::-1])
    left[10:66, 20:48] = right[10:66, 48:76] = 1
    masks = (None, placed(left), placed(right), placed(left))
    cells, rows = draw_masks(masks, np.float32([BOX] * 4), [0, 1, 2], 6, np.random.default_rng(0))

    assert (cells.shape, cells.dtype, rows.dtype) == ((MAX_MASKS, SIDE, SIDE), np.uint8, np.int32)
    assert rows.tolist() == [NO_MASK, 0, 1, NO_MASK, NO_MASK, NO_MASK]
    assert cells[0, :, : SIDE // 2].all() and not cells[0, :, SIDE // 2 :].any()
    assert cells[1, :, SIDE // 2 :].all() and not cells[1, :, : SIDE // 2].any()
    assert not cells[2:].any()


def test_nothing_is_drawn_where_no_mask_is_known_or_shown():
    beside = placed(np.pad(np.ones((4, 4)), [(0, 80), (0, 80)]))
    for masks in ((), (None,), (beside,)):
        cells, rows = draw_masks(masks, np.float32([BOX]), [0], 3, np.random.default_rng(0))
        assert not cells.any() and rows.tolist() == [NO_MASK] * 3


def test_of_too_many_masks_a_random_part_is_drawn():
    count = MAX_MASKS + 30
    masks = (placed(ring()),) * count
    found = [
        draw_masks(masks, np.float32([BOX] * count), range(count), count, np.random.default_rng(i)) for i in (0, 1)
    ]

    for _, rows in found:
        assert sorted(rows[rows > NO_MASK]) == list(range(MAX_MASKS))
    assert not np.array_equal(found[0][1], found[1][1])


def test_a_mask_in_the_frame_of_its_own_box_is_halved():
    cells = np.random.default_rng(0).random((1, MASK_SIDE, MASK_SIDE)) < 0.5
    doubled = np.kron(cells, np.ones((1, 2, 2))).astype(np.uint8)

    np.testing.assert_array_equal(crop(doubled, [BOX], [BOX])[0], cells[0])


def test_a_proposal_shows_its_part_of_a_mask_and_nothing_beyond_it():
    """The right half of the proposal is the left half of the box; above it there is nothing."""
    full = np.ones((1, SIDE, SIDE), np.uint8)
    found = crop(full, [[20, 20, 60, 60]], [[0, 0, 40, 40]])[0]

    assert found[MASK_SIDE // 2 :, MASK_SIDE // 2 :].all()
    assert found.sum() == MASK_SIDE**2 / 4


def test_boxes_without_area_do_no_harm():
    cells = np.ones((3, SIDE, SIDE), np.uint8)
    found = crop(cells, [[0, 0, 0, 0], [5, 5, 5, 9], BOX], [[0, 0, 0, 0], [0, 0, 40, 40], BOX])

    assert found[2].all() and np.isfinite(found).all()


@pytest.mark.parametrize("proposal", [BOX, [26, 4, 80, 58], [10, 0, 90, 80]])
def test_what_is_learnt_is_what_the_runtime_makes_a_mask_of(proposal):
    cells, rows = draw_masks((placed(ring()),), np.float32([BOX]), [0], 1, np.random.default_rng(0))
    wanted = crop(cells[rows], [BOX], [proposal])
    outputs = {"masks": wanted, "boxes": np.float32([proposal])}
    (found,) = mask_composition.compose(outputs, [0], Letterbox.fit(SIZE, SIZE), MaskHead(MaskKind.BOX_MASKS))
    expected = InstanceMask.from_bitmap(ring()).cut(tuple(map(int, proposal)))

    assert mask_iou([found], [expected])[0, 0] > 0.93
