"""Reasons for uncertainty, with weights by hand."""

from dataclasses import replace

import numpy as np
import pytest

from preannotate.active_learning.ranking.uncertainty import (
    UncertaintyReason,
    combined,
    competing_labels,
    near_threshold,
    normalised_score,
    nothing_found,
    rare_labels,
    unsure_masks,
)
from runtime.detector import Detection
from runtime.masks import InstanceMask

THRESHOLDS = (0.5, 0.2)


def cat(score, box=(0, 0, 10, 10)):
    return Detection("cat", 0, score, box)


def dog(score, box=(0, 0, 10, 10)):
    return Detection("dog", 1, score, box)


def test_reasons_combine_to_the_probability_that_one_is_a_mistake():
    assert combined([]) == 0
    assert combined([UncertaintyReason(0.5, ""), UncertaintyReason(0.5, "")]) == 0.75


@pytest.mark.parametrize(
    ("found", "expected"), [(cat(0.5), 0.5), (cat(0.25), 0.25), (cat(0.75), 0.75), (dog(0.1), 0.25), (dog(0.6), 0.75)]
)
def test_classes_with_other_thresholds_can_be_compared(found, expected):
    assert normalised_score(found, THRESHOLDS) == pytest.approx(expected)


def test_a_box_at_its_threshold_is_fully_uncertain():
    (reason,) = near_threshold([dog(0.2)], THRESHOLDS)

    assert reason == UncertaintyReason(1.0, "a box with a score near the threshold (0.20)")


def test_boxes_far_from_their_threshold_are_certain():
    assert near_threshold([cat(0.9), cat(0.1), dog(0.7)], THRESHOLDS) == []


def test_several_boxes_are_listed_with_their_scores():
    (reason,) = near_threshold([cat(0.56), cat(0.95), cat(0.44)], THRESHOLDS)

    # 0.56 is 0.06 above 0.5, and so is 0.44 below: (1 - 0.06 / 0.25)² = 0.5776 each.
    assert reason.weight == pytest.approx(1 - 0.4224 * 0.4224)
    assert reason.text == "2 boxes with scores near the threshold (0.44, 0.56)"


def test_many_boxes_are_not_all_listed():
    (reason,) = near_threshold([cat(0.5)] * 7, THRESHOLDS)

    assert reason.text == "7 boxes with scores near the threshold (0.50, 0.50, 0.50, 0.50, 0.50, …)"


def test_one_object_with_two_labels():
    (reason,) = competing_labels([cat(0.8), dog(0.68), cat(0.9, (50, 50, 60, 60))], THRESHOLDS)

    assert reason == UncertaintyReason(pytest.approx(1), "one object may be 'cat' (0.80) or 'dog' (0.68)")


def test_two_labels_on_two_objects_are_certain():
    assert competing_labels([cat(0.8), dog(0.68, (0, 9, 10, 19))], THRESHOLDS) == []


def test_two_low_scores_are_no_object():
    assert competing_labels([cat(0.45), dog(0.18)], THRESHOLDS) == []


def test_nothing_found_where_similar_frames_show_objects():
    neighbours = [frozenset({"cat"})] * 4 + [frozenset()]
    (reason,) = nothing_found([cat(0.3)], THRESHOLDS, neighbours)

    assert reason == UncertaintyReason(
        pytest.approx(0.7 * 0.8), "nothing found although 4 of the 5 most similar frames have 'cat'"
    )
    assert nothing_found([cat(0.5)], THRESHOLDS, neighbours) == []
    assert nothing_found([], THRESHOLDS, [frozenset({"cat"})] * 2 + [frozenset()] * 3) == []
    assert nothing_found([], THRESHOLDS, []) == []


@pytest.mark.parametrize(
    ("dogs", "text"),
    [(0, "no annotated box yet"), (1, "only 1 annotated box"), (3, "only 3 annotated boxes")],
)
def test_a_rare_label_is_worth_more(dogs, text):
    (reason,) = rare_labels([dog(0.9), cat(0.9)], THRESHOLDS, {"cat": 10, "dog": dogs})

    assert reason == UncertaintyReason(pytest.approx(0.3 * (1 - dogs / 10)), f"may show 'dog', which has {text}")


def test_frequent_labels_are_not_rare():
    assert rare_labels([dog(0.9)], THRESHOLDS, {"cat": 10, "dog": 5}) == []
    assert rare_labels([dog(0.9)], THRESHOLDS, {"cat": 0, "dog": 0}) == []
    assert rare_labels([], THRESHOLDS, {"cat": 10, "dog": 0}) == []


def masked(detection, bitmap, left=0, top=0):
    return replace(detection, mask=InstanceMask.from_bitmap(bitmap, left, top))


def test_two_masks_that_cross_are_two_objects():
    down, up = np.eye(10), np.eye(10)[::-1]
    crossing = [masked(cat(0.6), down), masked(dog(0.3), up)]

    assert competing_labels(crossing, THRESHOLDS) == []
    assert len(competing_labels([masked(cat(0.6), down), masked(dog(0.3), down)], THRESHOLDS)) == 1
    assert len(competing_labels([masked(cat(0.6), down), dog(0.3)], THRESHOLDS)) == 1, "boxes, where one has no mask"


def test_a_mask_that_ends_before_a_side_of_its_box_is_unsure():
    box = (0, 0, 40, 20)
    (half,) = unsure_masks([masked(cat(0.9, box), np.ones((20, 20)))], THRESHOLDS)
    (less,) = unsure_masks([masked(cat(0.9, box), np.ones((20, 34)))], THRESHOLDS)

    # A gap of 20 - 2 of 40 pixels is more than a quarter; one of 6 - 2 is a tenth: 0.4 of a quarter.
    assert half == UncertaintyReason(0.5, "an outline that does not reach the sides of its box")
    assert less.weight == pytest.approx(0.5 * 0.4)


def test_masks_that_fill_their_boxes_but_for_rounding_and_those_that_are_not_shown_are_certain():
    fitting, hidden = masked(cat(0.9, (0, 0, 10, 10)), np.ones((8, 8)), 1, 1), masked(cat(0.4), np.ones((2, 2)))

    assert unsure_masks([fitting, hidden, cat(0.9)], THRESHOLDS) == []


def test_several_unsure_masks_are_one_reason():
    (reason,) = unsure_masks([masked(cat(0.9, (0, 0, 40, 40)), np.ones((40, 33)))] * 2, THRESHOLDS)

    # Gaps of 7 - 2 of 40 pixels: half of a quarter each.
    assert reason == UncertaintyReason(0.5 * 0.75, "2 outlines that do not reach the sides of their boxes")
