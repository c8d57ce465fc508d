import numpy as np
import pytest

from evaluation.average_precision import match_class
from evaluation.ground_truth import AnnotatedImage
from evaluation.precision_recall import precision_recall_curve
from runtime.detector import Detection

HIT, MISS = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)
OTHER = (20.0, 20.0, 30.0, 30.0)


def one_image(*found):
    images = [AnnotatedImage("", "", (100, 100), np.float32([HIT, OTHER]), np.array([0, 0]))]
    return precision_recall_curve(match_class(0, images, [[Detection("a", 0, score, box) for score, box in found]]))


def test_each_score_is_a_point():
    found = one_image((0.9, HIT), (0.5, MISS), (0.4, OTHER))

    assert found.thresholds.tolist() == [0.9, 0.5, 0.4]
    assert found.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    assert found.recall.tolist() == [0.5, 0.5, 1]


def test_equal_scores_join_together():
    found = one_image((0.9, HIT), (0.9, MISS))

    assert found.thresholds.tolist() == [0.9]
    assert found.precision.tolist() == [0.5]


def test_the_point_of_a_threshold_counts_what_reaches_it():
    found = one_image((0.9, HIT), (0.5, MISS))

    assert found.at(0.9) == (1.0, 0.5)
    assert found.at(0.3) == (0.5, 0.5)
    assert found.at(0.95) is None


def test_without_detections_there_is_no_point():
    assert one_image().at(0.1) is None
