import numpy as np
import pytest

from evaluation.corrections import CorrectionCosts
from evaluation.ground_truth import AnnotatedImage
from evaluation.outcomes import shown
from evaluation.postprocess import SAME_PLACE, choose_postprocess, coinciding_objects
from runtime.detector import Detection
from runtime.manifest import Postprocess

LABELS, COSTS = ("key", "bolt"), CorrectionCosts()
HERE, ABOUT_HERE, THERE = (0.0, 0.0, 40.0, 40.0), (0.0, 0.0, 40.0, 39.0), (60.0, 0.0, 100.0, 40.0)
ONE_BOX = Postprocess(0.3, (0.3, 0.3), agnostic_iou_threshold=SAME_PLACE)


def annotated(*objects):
    boxes = np.float32([box for _, box in objects]).reshape(-1, 4)
    return AnnotatedImage("a.jpg", "a.jpg", (200, 100), boxes, np.array([class_id for class_id, _ in objects], int))


def found(class_id, score, box):
    return Detection(LABELS[class_id], class_id, score, box)


# A key that is found as a bolt too, and a bolt as a key. No threshold of bolts hides only the wrong one.
DOUBTFUL = [found(0, 0.53, HERE), found(1, 0.49, ABOUT_HERE), found(1, 0.48, THERE), found(0, 0.46, THERE)]


def test_one_object_gets_one_box_where_that_costs_less():
    choice = choose_postprocess(LABELS, [annotated((0, HERE), (1, THERE))] * 6, [DOUBTFUL] * 6, COSTS)

    assert choice.postprocess.agnostic_iou_threshold == SAME_PLACE
    assert choice.seconds_with == pytest.approx(6 * 2 * 1.8)
    assert choice.seconds_without == pytest.approx(6 * (3 * 1.8 + 3))  # looked at and deleted
    assert choice.why == (
        "Of boxes of different classes on each other (IoU above 0.8) only the best is shown: 22 s of corrections on "
        "the validation images, 50 s with all of them."
    )
    assert choice.to_json()["chosen"] is True


def test_thresholds_are_those_that_are_best_with_the_choice():
    """Where nothing else hides the second boxes, thresholds must; where suppression does, they need not."""
    choice = choose_postprocess(LABELS, [annotated((0, HERE), (1, THERE))] * 6, [DOUBTFUL] * 6, COSTS)

    assert max(choice.postprocess.thresholds) < 0.46


def test_objects_that_coincide_are_never_one():
    """A person on a bicycle, and the model finds only one of the two: validation alone would cost nothing."""
    images = [annotated((0, HERE), (1, THERE))] * 5 + [annotated((0, HERE), (1, ABOUT_HERE), (1, THERE))]

    choice = choose_postprocess(LABELS, images, [DOUBTFUL] * 6, COSTS)

    assert choice.postprocess.agnostic_iou_threshold is None
    assert choice.why == (
        "Boxes of different classes on each other are all shown: 1 pair of annotated objects coincide."
    )


def test_where_nothing_is_gained_every_box_stays():
    choice = choose_postprocess(LABELS, [annotated((0, HERE), (1, THERE))], [DOUBTFUL[:1] + DOUBTFUL[2:3]], COSTS)

    assert choice.postprocess.agnostic_iou_threshold is None
    assert choice.seconds_with == choice.seconds_without


def test_one_class_has_nothing_to_choose():
    choice = choose_postprocess(LABELS[:1], [annotated((0, HERE))], [[found(0, 0.9, HERE)]], COSTS)

    assert (choice.postprocess.agnostic_iou_threshold, choice.seconds_with, choice.why) == (None, None, "")


def test_objects_coincide_at_one_place_with_two_classes_only():
    assert coinciding_objects(annotated()) == 0
    assert coinciding_objects(annotated((0, HERE), (0, HERE))) == 0
    assert coinciding_objects(annotated((0, HERE), (1, (0.0, 0.0, 40.0, 32.0)))) == 0  # exactly 0.8
    assert coinciding_objects(annotated((0, HERE), (1, ABOUT_HERE), (1, THERE))) == 1


def test_what_is_shown_is_what_the_runtime_leaves():
    """Threshold first: a box that is not shown suppresses nothing; then the better one stays, whatever comes after."""
    assert shown(DOUBTFUL, ONE_BOX).tolist() == [True, False, True, False]
    high_for_keys = Postprocess(0.3, (0.55, 0.3), agnostic_iou_threshold=SAME_PLACE)
    assert shown(DOUBTFUL, high_for_keys).tolist() == [False, True, True, False]
    assert shown(DOUBTFUL, Postprocess(0.3, (0.3, 0.3))).tolist() == [True] * 4
    assert shown([], ONE_BOX).tolist() == []
