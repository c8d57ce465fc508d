import math

import numpy as np
import pytest

from evaluation.average_precision import match_class
from evaluation.bootstrap import estimate_precision, estimate_ratio, resamples
from evaluation.ground_truth import AnnotatedImage
from runtime.detector import Detection

BOX = (0.0, 0.0, 10.0, 10.0)


def classes(hits):
    """One class, one box an image; True where it is found."""
    images = [AnnotatedImage("", "", (30, 30), np.float32([BOX]), np.array([0])) for _ in hits]
    detections = [[Detection("a", 0, 0.9, BOX)] if hit else [] for hit in hits]
    return [match_class(0, images, detections)]


def test_resamples_are_the_same_at_every_call_and_as_large_as_the_set():
    weights = resamples(7)

    assert (weights.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(weights, resamples(7))


def test_half_of_the_objects_found_is_uncertain_as_a_coin_is():
    # 40 images, recall 0.5 +- 1.96 * sqrt(0.25 / 40) = 0.155; precision is 1, so AP is about the recall.
    found = estimate_precision(classes([True, False] * 20)).map50

    assert found.value == pytest.approx(51 / 101)
    assert found.low == pytest.approx(0.5 - 0.155, abs=0.03)
    assert found.high == pytest.approx(0.5 + 0.155, abs=0.03)


def test_four_times_the_images_halve_the_width():
    few, many = (estimate_precision(classes([True, False] * count)).map50.width for count in (10, 40))

    assert few / many == pytest.approx(2, rel=0.15)


def test_a_class_without_boxes_is_no_number_and_does_not_count_in_the_mean():
    images = [AnnotatedImage("", "", (30, 30), np.float32([BOX]), np.array([0]))] * 3
    detections = [[Detection("a", 0, 0.9, BOX)]] * 3

    found = estimate_precision([match_class(k, images, detections) for k in range(2)])

    assert math.isnan(found.ap50[1].value) and math.isnan(found.ap50[1].low)
    assert (found.map50.value, found.map50.low) == (1, 1)


def test_a_ratio_of_sums_has_the_interval_of_its_images():
    always = estimate_ratio(np.array([50.0, 50.0, 50.0]), np.array([10.0, 10.0, 10.0]))
    varied = estimate_ratio(np.array([50.0, 50.0]), np.array([10.0, 40.0]))

    assert (always.value, always.low, always.high) == (5, 5, 5)
    assert (varied.value, varied.low, varied.high) == (2, 1.25, 5)


def test_nothing_to_correct_is_infinitely_faster():
    assert estimate_ratio(np.array([50.0]), np.array([0.0])).value == math.inf
