"""Boxes 10 pixels high: shifted by x of 10 they overlap by (10 - x) / (10 + x)."""

import numpy as np
import pytest

from evaluation.ground_truth import AnnotatedImage
from evaluation.outcomes import ImageComparison, confusion_matrix
from runtime.detector import Detection
from runtime.manifest import Postprocess


def box(x, width=10):
    return (x, 0, x + width, 10)


def outcome(gt, found, shown=None):
    """Lists of (x, class id)."""
    compared = ImageComparison(
        np.float32([box(x) for x, _ in found]).reshape(-1, 4),
        np.array([k for _, k in found], int),
        np.float32([box(x) for x, _ in gt]).reshape(-1, 4),
        np.array([k for _, k in gt], int),
    )
    return compared.outcome(np.ones(len(found), bool) if shown is None else np.array(shown, bool))


def test_a_close_box_of_the_right_label_is_right():
    result = outcome([(0, 0)], [(1, 0)])  # IoU 9 / 11 = 0.82

    assert (result.pairs[0].same_label, result.pairs[0].loose) == (True, False)
    assert (result.false, result.missed) == ((), ())


def test_less_than_four_fifths_is_loose():
    result = outcome([(0, 0)], [(2, 0)])  # IoU 8 / 12 = 0.67

    assert result.pairs[0].loose
    assert result.pairs[0].iou == pytest.approx(2 / 3)


def test_less_than_two_fifths_is_another_object():
    result = outcome([(0, 0)], [(5, 0)])  # IoU 5 / 15 = 0.33

    assert (result.pairs, result.false, result.missed) == ((), (0,), (0,))


def test_another_label_on_the_object_is_a_wrong_label():
    result = outcome([(0, 0)], [(0, 1)])

    assert not result.pairs[0].same_label and not result.pairs[0].loose


def test_the_right_label_is_preferred_to_the_closer_box():
    result = outcome([(0, 0)], [(0, 1), (3, 0)])

    assert [pair.detection for pair in result.pairs] == [1]
    assert result.false == (0,)


def test_a_second_box_on_an_object_is_false():
    result = outcome([(0, 0)], [(1, 0), (0, 0)])

    assert [pair.detection for pair in result.pairs] == [1]
    assert result.false == (0,)


def test_each_object_gets_the_box_that_is_closest_to_it():
    result = outcome([(0, 0), (3, 0)], [(3, 0), (1, 0)])

    assert {(pair.detection, pair.gt) for pair in result.pairs} == {(0, 1), (1, 0)}


def test_what_is_not_shown_is_not_there():
    result = outcome([(0, 0)], [(0, 0), (40, 0)], shown=[False, False])

    assert (result.pairs, result.false, result.missed) == ((), (), (0,))


def test_nothing_against_nothing():
    assert outcome([], []).missed == ()


def at(x):
    return (float(x), 0.0, float(x + 10), 10.0)


def test_every_object_and_every_shown_box_has_one_cell():
    gt = AnnotatedImage("", "", (200, 100), np.float32([at(0), at(20), at(40), at(60)]), np.array([0, 0, 1, 1]))
    found = [
        Detection("a", 0, 0.9, at(0)),  # right
        Detection("b", 1, 0.9, at(20)),  # a taken for b
        Detection("b", 1, 0.9, at(40)),  # right
        Detection("a", 0, 0.9, at(100)),  # false
        Detection("b", 1, 0.2, at(60)),  # below the threshold: missed
    ]

    matrix = confusion_matrix(2, [gt], [found], Postprocess(0.5, (0.5, 0.5)))

    assert matrix.tolist() == [
        [1, 1, 0],
        [0, 1, 1],
        [1, 0, 0],
    ]
