import numpy as np

from trainer.anchors import fit_aspects, generate


def test_anchors_are_centred_on_their_cells_and_four_strides_large():
    anchors, levels = generate((64, 32), [16, 32])

    assert levels.tolist() == [0] * 8 + [1] * 2
    assert anchors[0].tolist() == [8 - 32, 8 - 32, 8 + 32, 8 + 32]
    assert anchors[5].tolist() == [24 - 32, 24 - 32, 24 + 32, 24 + 32]  # second row, second column
    assert anchors[-1].tolist() == [48 - 64, 16 - 64, 48 + 64, 16 + 64]


def test_a_size_that_the_stride_does_not_divide_gets_a_last_partial_cell():
    anchors, _ = generate((96, 96), [64])

    assert len(anchors) == 4


def test_aspects_keep_the_area_and_stand_beside_each_other():
    anchors, _ = generate((16, 8), [8], aspects=(1.0, 4.0))

    assert anchors[:2].tolist() == [[-12, -12, 20, 20], [4 - 32, 4 - 8, 4 + 32, 4 + 8]]


def test_similar_boxes_need_one_shape():
    boxes = np.float32([[0, 0, 20, 10], [0, 0, 30, 10], [0, 0, 40, 10]])

    assert fit_aspects(boxes) == (3.0,)


def test_wide_and_tall_boxes_need_two_shapes():
    boxes = np.float32([[0, 0, 40, 10], [0, 0, 10, 40], [0, 0, 40, 10], [0, 0, 10, 40]])

    assert fit_aspects(boxes) == (0.25, 4.0)


def test_without_boxes_anchors_are_square():
    assert fit_aspects(np.zeros((0, 4), np.float32)) == (1.0,)
