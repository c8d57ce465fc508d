import numpy as np
import tensorflow as tf

from trainer.assigner import IGNORED, NEGATIVE
from trainer.models.yolox import network, sim_ota

SIZE = (64, 64)
CELLS = network.make_cells(SIZE)
CENTRES, STRIDES = CELLS[:, :2] + CELLS[:, 2:] / 2, CELLS[:, 2]
BOX = (8.0, 8.0, 40.0, 40.0)


def match(boxes, classes, predicted=None, class_logits=None):
    """Match one image; predictions are the boxes of the cells themselves unless given.

    Class logits differ a little between cells: equal costs would all be taken.
    """
    count = len(CELLS)
    noise = np.random.default_rng(0).normal(0, 0.01, (count, 2))
    own = np.concatenate([CENTRES - STRIDES[:, None] / 2, CENTRES + STRIDES[:, None] / 2], axis=1)
    found = sim_ota.match(
        tf.constant((own if predicted is None else predicted)[None], tf.float32),
        tf.constant((noise if class_logits is None else class_logits + noise)[None], tf.float32),
        tf.zeros((1, count, 1)),
        tf.constant([boxes], tf.float32),
        tf.constant([classes], tf.int32),
        CENTRES,
        STRIDES,
    )
    return sim_ota.Matches(*(part.numpy()[0] for part in found))


def test_a_box_takes_as_many_cells_as_overlap_it_well():
    exact = np.tile(np.array(BOX, np.float32), (len(CELLS), 1))

    assert match([BOX], [0], exact).positive.sum() == sim_ota.OVERLAPS


def test_a_box_that_nothing_overlaps_takes_one_cell_inside():
    far = np.tile(np.array([60.0, 60, 62, 62], np.float32), (len(CELLS), 1))
    found = match([BOX], [0], far)
    x, y = CENTRES[found.positive][0]

    assert found.positive.sum() == 1
    assert 8 < x < 40 and 8 < y < 40


def test_the_cells_with_the_right_class_are_preferred():
    exact = np.tile(np.array(BOX, np.float32), (len(CELLS), 1))
    logits = np.full((len(CELLS), 2), -4.0)
    inside = np.flatnonzero((abs(CENTRES - 24) < 20).all(axis=1) & (STRIDES == 8))[: sim_ota.OVERLAPS]
    logits[inside, 1] = 4
    found = match([BOX], [1], exact, logits)

    assert set(np.flatnonzero(found.positive)) == set(inside)


def test_a_cell_that_two_boxes_take_goes_to_the_one_that_it_overlaps():
    exact = np.tile(np.array(BOX, np.float32), (len(CELLS), 1))
    found = match([(4.0, 4.0, 44.0, 44.0), BOX], [0, 0], exact)

    assert (found.box[found.positive] == 1).sum() == sim_ota.OVERLAPS
    assert (found.iou[found.positive & (found.box == 1)] == 1).all()


def test_a_box_whose_cells_all_suit_a_neighbour_better_gets_one_of_those_left():
    neighbour = (8.0, 8.0, 40.0, 42.0)
    exact = np.tile(np.array(BOX, np.float32), (len(CELLS), 1))
    logits = np.full((len(CELLS), 2), -4.0)
    logits[np.flatnonzero((abs(CENTRES - 24) < 20).all(axis=1))[: sim_ota.OVERLAPS], 0] = 4
    found = match([BOX, neighbour], [0, 0], exact, logits)

    assert (found.box[found.positive] == 0).sum() == sim_ota.OVERLAPS
    assert (found.box[found.positive] == 1).sum() == 1


def test_no_box_and_an_ignore_region_take_nothing():
    found = match([BOX, BOX], [NEGATIVE, IGNORED])

    assert not found.positive.any()
    assert not found.iou.any()
