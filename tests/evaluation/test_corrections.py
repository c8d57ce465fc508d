import numpy as np
import pytest

from evaluation.corrections import CorrectionCosts, Corrections, corrections_by_image, seconds_from_nothing
from evaluation.ground_truth import AnnotatedImage
from runtime.detector import Detection
from runtime.manifest import Postprocess
from runtime.masks import InstanceMask

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


def outlined(*rows, left=0):
    return InstanceMask.from_bitmap([[mark == "#" for mark in row] for row in rows], left)


def test_an_outline_has_seconds_of_its_own():
    block, half, corner = outlined(*["####"] * 4), outlined(*["####"] * 2), outlined("####", "###.", "....", "...#")
    costs = CorrectionCosts(draw=1, delete=10, adjust=2, relabel=5, check=0.5, draw_outline=100, adjust_outline=20)
    box = (0.0, 0.0, 4.0, 4.0)
    image = AnnotatedImage("", "", (9, 9), np.float32([box]), np.array([0]), (block,))

    def of(*masks):
        found = [Detection("a", 0, 0.9, box, mask) for mask in masks]
        return corrections_by_image([image], [found], Postprocess(0.5, (0.5,)))[0]

    assert of(block) == Corrections(shown=1, right=1)
    assert of() == Corrections(missed=1, missed_outlines=1)
    assert of().seconds(costs) == seconds_from_nothing(image, costs) == 100
    assert of(half) == Corrections(shown=1, loose=1, loose_outlines=1)  # the same box, and half of the pixels
    assert of(half).seconds(costs) == 0.5 + 20
    assert of(outlined("###.", "###.")) == Corrections(shown=1, false=1, missed=1, missed_outlines=1)  # 6 of 16
    assert of(corner) == Corrections(shown=1, loose=1, loose_outlines=1)  # 8 of 16
    assert of(None) == Corrections(shown=1, right=1)  # compared by its box


def test_objects_with_and_without_outlines_stand_side_by_side():
    block = outlined(*["####"] * 4)
    boxes = np.float32([(0, 0, 4, 4), (20, 20, 24, 24)])
    image = AnnotatedImage("", "", (30, 30), boxes, np.array([0, 0]), (block, None))

    assert corrections_by_image([image], [[]], Postprocess(0.5, (0.5,)))[0] == Corrections(missed=2, missed_outlines=1)
    assert seconds_from_nothing(image, COSTS) == COSTS.draw + COSTS.draw_outline


def test_mending_costs_less_than_drawing_again():
    """Otherwise a shown box would be a burden whatever it shows."""
    costs = CorrectionCosts()

    assert costs.check + costs.adjust + costs.relabel < costs.draw
    assert costs.check + costs.adjust_outline + costs.relabel < costs.draw_outline
