import numpy as np

from trainer.box_coder import decode, encode

ANCHORS = np.float32([[0, 0, 10, 10], [10, 20, 30, 60]])


def test_no_offsets_give_the_anchors():
    boxes = np.array(decode(np.zeros((2, 4), np.float32), ANCHORS))

    np.testing.assert_allclose(boxes, ANCHORS, atol=1e-5)


def test_one_unit_of_dx_moves_by_a_tenth_of_the_anchor():
    boxes = np.array(decode(np.float32([[1, 0, 0, 0], [0, 1, 0, 0]]), ANCHORS))

    np.testing.assert_allclose(boxes, [[1, 0, 11, 10], [10, 24, 30, 64]], atol=1e-5)  # 0.1 x 10 and 0.1 x 40


def test_sides_grow_by_the_exponential():
    double = np.log(2) / 0.2
    boxes = np.array(decode(np.float32([[0, 0, double, 0], [0, 0, 0, -double]]), ANCHORS))

    np.testing.assert_allclose(boxes, [[-5, 0, 15, 10], [10, 30, 30, 50]], atol=1e-4)


def test_decode_undoes_encode():
    boxes = np.float32([[3, -2, 8, 30], [11, 12, 90, 14]])

    np.testing.assert_allclose(np.array(decode(encode(boxes, ANCHORS), ANCHORS)), boxes, atol=1e-3)


def test_a_wild_offset_stays_finite():
    boxes = np.array(decode(np.full((2, 4), 1e6, np.float32), ANCHORS))

    assert np.isfinite(boxes).all()
    assert boxes[0, 2] - boxes[0, 0] <= 10 * 1000 / 16 * 1.01
