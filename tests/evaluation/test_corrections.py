import numpy as np
import pytest

from evaluation.corrections import CorrectionCosts, Corrections, corrections_by_image
from evaluation.ground_truth import AnnotatedImage
from runtime.detector import Detection
from runtime.manifest import Postprocess

COSTS = CorrectionCosts(draw=100, delete=10, adjust=20, relabel=5, check=1)
THERE, LOOSELY, ELSEWHERE = (0.0, 0.0, 10.0, 10.0), (2.0, 0.0, 12.0, 10.0), (50.0, 50.0, 60.0, 60.0)


def seconds(gt, found, thresholds=(0.5, 0.5)):
    images = [
        AnnotatedImage(
            "", "", (100, 100), np.float32([b for b, _ in gt]).reshape(-1, 4), np.array([k for _, k in gt], int)
        )
    ]
    detections = [[Detection("ab"[k], k, score, box) for box, k, score in found]]
    return corrections_by_image(images, detections, Postprocess(0.5, thresholds))[0].seconds(COSTS)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([(THERE, 0, 0.9)], 1),  # checked
        ([(LOOSELY, 0, 0.9)], 1 + 20),
        ([(THERE, 1, 0.9)], 1 + 5),
        ([(LOOSELY, 1, 0.9)], 1 + 5 + 20),
        ([], 100),
        ([(ELSEWHERE, 0, 0.9)], 1 + 10 + 100),
        ([(THERE, 0, 0.9), (ELSEWHERE, 0, 0.9)], 2 + 10),
        ([(THERE, 0, 0.4)], 100),  # below its threshold: not shown
    ],
)
def test_each_kind_of_correction_has_its_seconds(found, expected):
    assert seconds([(THERE, 0)], found) == expected


def test_an_image_without_objects_costs_its_false_boxes():
    assert seconds([], []) == 0
    assert seconds([], [(THERE, 0, 0.9)]) == 1 + 10


def test_corrections_add_up():
    total = Corrections(shown=1, right=1) + Corrections(shown=2, false=1, loose=1, missed=3, wrong_label=1)

    assert total == Corrections(shown=3, right=1, missed=3, false=1, loose=1, wrong_label=1)


def test_a_box_that_is_loose_and_of_the_wrong_label_counts_in_both():
    images = [AnnotatedImage("", "", (100, 100), np.float32([THERE]), np.array([0]))]

    found = corrections_by_image(images, [[Detection("b", 1, 0.9, LOOSELY)]], Postprocess(0.5, (0.5, 0.5)))[0]

    assert found == Corrections(shown=1, loose=1, wrong_label=1)


def test_mending_costs_less_than_drawing_again():
    """Otherwise a shown box would be a burden whatever it shows."""
    costs = CorrectionCosts()

    assert costs.check + costs.adjust + costs.relabel < costs.draw
