import numpy as np
import tensorflow as tf

from trainer.models.faster_rcnn.best_boxes import MAX_MASKED_BOXES, BestBoxes

SIZE = (128, 96)


def best(boxes, logits, count):
    """Return the boxes and logits of one image; no box is moved."""
    boxes, logits = (np.array(part, np.float32)[None] for part in (boxes, logits))
    found = BestBoxes(SIZE, count)(tf.constant(boxes), tf.constant(logits), tf.zeros_like(boxes))
    return [part.numpy()[0].tolist() for part in found]


def test_the_best_come_first_with_all_their_logits():
    boxes = [[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]]
    found, logits = best(boxes, [[-1, -2], [-3, 4], [2, 1]], 2)

    assert found == [boxes[1], boxes[2]]
    assert logits == [[-3, 4], [2, 1]]


def test_an_object_that_was_found_twice_does_not_take_the_place_of_another():
    """The second covers 9 of 11 columns of the first, with another class."""
    boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [40, 0, 50, 10]]
    logits = [[3, 0], [0, 2], [1, 0]]

    assert best(boxes, logits, 2)[0] == [boxes[0], boxes[2]]
    assert best(boxes, logits, 3)[0] == [boxes[0], boxes[2], boxes[1]]


def test_boxes_that_are_equally_good_stay_in_their_order():
    boxes = [[20 * i, 0, 20 * i + 10, 10] for i in range(5)] * 2

    assert best(boxes, [[0.0]] * 10, 7)[0] == boxes[:7]


def test_boxes_are_moved_by_their_deltas_and_stay_inside_the_input():
    """A delta of 10 moves by a side."""
    boxes = tf.constant([[[100.0, 10, 120, 30]]])
    found, _ = BestBoxes(SIZE, 1)(boxes, tf.zeros((1, 1, 1)), tf.constant([[[10.0, 0, 0, 0]]]))

    assert found.numpy().tolist() == [[[120, 10, 128, 30]]]


def test_their_number_is_bounded():
    assert BestBoxes(SIZE, 7).count == 7
    assert BestBoxes(SIZE, 10_000).count == MAX_MASKED_BOXES
