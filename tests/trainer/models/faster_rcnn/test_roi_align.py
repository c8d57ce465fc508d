import numpy as np
import tensorflow as tf

from trainer.models.faster_rcnn.roi_align import BINS, RoiAlign

STRIDE = 8
ROWS, COLUMNS = 6, 10


def ramp():
    """Two channels: x and y of each cell's centre in input pixels; the second image has them negative."""
    ys, xs = np.mgrid[0:ROWS, 0:COLUMNS]
    plane = np.stack([(xs + 0.5) * STRIDE, (ys + 0.5) * STRIDE], axis=-1).astype(np.float32)
    return tf.constant(np.stack([plane, -plane]))


def grid(boxes):
    return RoiAlign(STRIDE)(ramp(), tf.constant(boxes, tf.float32)).numpy().reshape(2, -1, BINS, BINS, 2)


def test_a_bin_holds_what_lies_at_its_centre():
    """Interpolation and means of a linear function are exact."""
    x1, y1, x2, y2 = 11.0, 9.0, 60.0, 37.0
    found = grid([[[x1, y1, x2, y2]]] * 2)[0, 0]
    middles = (np.arange(BINS) + 0.5) / BINS

    np.testing.assert_allclose(found[0, :, 0], x1 + middles * (x2 - x1), rtol=1e-5)
    np.testing.assert_allclose(found[:, 0, 1], y1 + middles * (y2 - y1), rtol=1e-5)


def test_each_box_looks_at_its_own_image():
    found = grid([[[8, 8, 40, 40]], [[8, 8, 40, 40]]])

    np.testing.assert_allclose(found[1], -found[0], rtol=1e-5)


def test_at_the_border_the_outermost_cells_go_on():
    """The outer half of a cell has no neighbour: nothing there may fade to zero."""
    whole = grid([[[0, 0, COLUMNS * STRIDE, ROWS * STRIDE]]] * 2)[0, 0]
    corner = grid([[[0, 0, 3, 3]]] * 2)[0, 0]

    assert np.abs(corner - STRIDE / 2).max() < 1e-4
    assert whole[..., 0].min() >= STRIDE / 2 - 1e-4
    assert whole[..., 0].max() <= (COLUMNS - 0.5) * STRIDE + 1e-4


def test_what_lies_in_a_box_learns_from_it():
    features = ramp()
    with tf.GradientTape() as tape:
        tape.watch(features)
        total = tf.reduce_sum(RoiAlign(STRIDE)(features, tf.constant([[[16, 16, 32, 32]]] * 2, tf.float32)))
    gradient = tape.gradient(total, features).numpy()[0, ..., 0]

    assert (gradient[2:4, 2:4] > 0).all()
    assert (gradient[:, 6:] == 0).all()
