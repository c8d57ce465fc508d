"""Numbers that cannot be boxes, each made by hand: an input of 100x80, and images of the same size."""

from pathlib import Path

import numpy as np
import pytest

from builder.imports.plausibility import Answers, map50_regardless_of_class
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from runtime.detector import Detection

SIZE = (100, 80)
BOX = (10.0, 20.0, 50.0, 60.0)
# Rows of nothing with a score below those that are compared.
EMPTY = [[0.0] * 4] * 200


def truth(boxes=(), class_ids=()):
    image = AnnotatedImage("a.png", "a.png", SIZE, np.float32(boxes).reshape(-1, 4), np.int64(class_ids))
    return GroundTruth(Path(), ("bolt", "gear"), (image,))


def answers(boxes, scores, threshold=0.25):
    read = Answers(SIZE, threshold)
    read.add(np.array([boxes], np.float32), np.array([[[score] for score in scores]], np.float32))
    return read


def found(*boxes, score=0.9, class_id=0):
    return [[Detection("bolt", class_id, score, box) for box in boxes]]


def test_boxes_of_objects_are_believed():
    read = answers([BOX, (60, 10, 90, 90), *EMPTY], [0.9, 0.3, *[0.0] * 200])
    assert read.never_boxes() == read.hardly_boxes(truth(), found(BOX)) == ""


def test_one_object_on_every_image_with_the_same_score_is_believed():
    read = Answers(SIZE, 0.25)
    for _ in range(12):
        read.add(np.float32([[BOX, *EMPTY]]), np.float32([[[0.9], *[[0.0]] * 200]]))
    assert read.never_boxes() == read.hardly_boxes(truth(), found(BOX)) == ""


def test_nothing_found_is_no_sign_of_another_layout():
    read = answers([BOX], [0.01])
    assert read.never_boxes() == read.hardly_boxes(truth(), [[]]) == ""


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([(1, 1, np.inf, 5), BOX], "coordinates that are not finite"),
        ([(1, 1, np.nan, 5), BOX], "coordinates that are not finite"),
        ([(0.1, 0.2, 0.5, 0.6), (0, 0, 1.4, 1)], "coordinates of at most 1.4"),
        ([(0, 0, 5000, 10), BOX], "coordinates of up to 5e+03 in an input of 100x80"),
        ([(-1e9, 0, 50, 10), BOX], "coordinates of up to 1e+09"),
        ([(50, 40, 20, 30), (60, 20, 10, 30), BOX], "boxes whose corners are swapped"),
    ],
)
def test_numbers_that_are_never_boxes(boxes, reason):
    assert answers(boxes, [0.9] * len(boxes)).never_boxes().startswith(reason)


def test_numbers_below_the_compared_scores_may_be_anything():
    assert answers([(0, 0, np.inf, 1e20), BOX], [0.04, 0.9]).never_boxes() == ""


HARDLY = {
    "small": (answers([(10, 10, 12, 12), (40, 40, 42.9, 41)], [0.9] * 2), found(BOX), "no box larger than 3 pixels"),
    "whole": (answers([(-5, -5, 300, 300)], [0.9]), found((0, 0, 100, 80)), "only boxes as large as the whole image"),
    "crowd": (
        answers([BOX] * 400, np.linspace(0.3, 0.9, 400)),
        found(BOX),
        "400 of 400 rows with a score from 0.25 on",
    ),
    "equal": (answers([BOX, *EMPTY] * 100, [1, *[0] * 200] * 100), found(BOX), "100 rows with the same score 1"),
}


@pytest.mark.parametrize("case", HARDLY)
def test_numbers_that_are_hardly_boxes_unless_annotations_prove_them(case):
    read, detections, reason = HARDLY[case]
    assert read.never_boxes() == ""
    assert read.hardly_boxes(truth(), detections).startswith(reason)
    (box,) = (item.box for item in detections[0])
    assert read.hardly_boxes(truth([box], [0]), detections) == ""


def test_a_list_that_is_full_of_objects_is_believed():
    """300 rows are all that YOLOv10, RT-DETR and others with suppression return."""
    read = answers([BOX] * 300, np.linspace(0.3, 0.9, 300))
    assert read.hardly_boxes(truth(), found(BOX)) == ""


def test_one_usable_box_among_whole_images_is_believed():
    read = answers([(0, 0, 100, 80), BOX], [0.9, 0.9])
    assert read.hardly_boxes(truth(), found((0, 0, 100, 80), BOX)) == ""


def test_right_boxes_with_labels_in_another_order():
    assert map50_regardless_of_class(truth([BOX], [1]), found(BOX, class_id=0)) > 0.99
    assert map50_regardless_of_class(truth([(60, 10, 90, 70)], [1]), found(BOX, class_id=0)) == 0
