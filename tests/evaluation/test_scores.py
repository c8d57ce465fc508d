import numpy as np
import pytest

from evaluation.ground_truth import AnnotatedImage
from evaluation.scores import score
from runtime.detector import Detection

LABELS = ("cat", "dog")


def image(*boxes, class_ids=None):
    return AnnotatedImage(
        "a", "a", (100, 100), np.float32(boxes).reshape(-1, 4), np.array(class_ids or [0] * len(boxes))
    )


def found(box, score, class_id=0):
    return Detection(LABELS[class_id], class_id, score, box)


def test_perfect_answers_score_one():
    images = [image((0, 0, 10, 10)), image((5, 5, 50, 60), class_ids=[1])]
    detections = [[found((0, 0, 10, 10), 0.9)], [found((5, 5, 50, 60), 0.8, 1)]]

    result = score(LABELS, images, detections)

    assert (result.mean_ap, result.map50, result.map75) == pytest.approx((1, 1, 1))
    assert (result.ap50, result.ap) == (pytest.approx({"cat": 1.0, "dog": 1.0}),) * 2
    assert (result.images, result.boxes) == (2, 2)


def test_a_box_of_60_percent_overlap_counts_at_50_but_not_at_75():
    # 10 x 10 against 10 x 6 inside: IoU 0.6, so it counts at 0.50, 0.55 and 0.60 of ten thresholds.
    result = score(["cat"], [image((0, 0, 10, 10))], [[found((0, 0, 10, 6), 0.9)]])

    assert (result.map50, result.map75) == pytest.approx((1, 0))
    assert result.mean_ap == pytest.approx(0.3)
    assert (result.ap50, result.ap) == (pytest.approx({"cat": 1.0}), pytest.approx({"cat": 0.3}))


def test_a_missed_object_halves_the_recall():
    # Precision 1 up to recall 0.5: 51 of COCO's 101 recall points.
    result = score(["cat"], [image((0, 0, 10, 10), (50, 50, 70, 70))], [[found((0, 0, 10, 10), 0.9)]])

    assert result.map50 == pytest.approx(51 / 101)


def test_the_wrong_class_is_no_hit():
    result = score(LABELS, [image((0, 0, 10, 10))], [[found((0, 0, 10, 10), 0.9, 1)]])

    assert result.map50 == 0
    assert result.ap50["dog"] == result.ap["dog"] == -1


def test_nothing_found_scores_zero():
    assert score(LABELS, [image((0, 0, 10, 10))], [[]]).map50 == 0
