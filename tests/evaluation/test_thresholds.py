import numpy as np
import pytest

from evaluation.corrections import CorrectionCosts, Corrections, corrections_by_image
from evaluation.ground_truth import AnnotatedImage
from evaluation.thresholds import FALLBACK, HIGHEST, LOWEST, ThresholdSearch, choose_thresholds
from runtime.detector import Detection
from runtime.manifest import Postprocess

BOX, ELSEWHERE = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)
COSTS = CorrectionCosts()


def image(*class_ids):
    boxes = np.float32([(20 * k, 0, 20 * k + 10, 10) for k in class_ids]).reshape(-1, 4)
    return AnnotatedImage("a.jpg", "a.jpg", (200, 200), boxes, np.array(class_ids, int))


def detection(score, box=BOX, class_id=0):
    return Detection("x", class_id, score, box)


def test_the_threshold_is_in_the_middle_between_hits_and_false_ones():
    images = [image(0) for _ in range(6)]
    detections = [[detection(0.7), detection(0.3, ELSEWHERE)] for _ in range(6)]

    assert choose_thresholds(["x"], images, detections, COSTS) == (0.5, (0.5,))


def test_false_boxes_are_shown_where_that_finds_an_object():
    """One hit of three at 0.3: deleting two costs less than drawing one."""
    images = [image(0) for _ in range(3)]
    detections = [[detection(0.9)], [detection(0.8)], [detection(0.3), detection(0.4, ELSEWHERE)]]

    assert choose_thresholds(["x"], images, detections, COSTS)[0] == pytest.approx((0.3 + LOWEST) / 2)


def test_where_deleting_is_dear_they_are_not():
    images = [image(0) for _ in range(3)]
    detections = [[detection(0.9)], [detection(0.8)], [detection(0.3), detection(0.4, ELSEWHERE)]]
    costs = CorrectionCosts(draw=5, delete=30)

    assert choose_thresholds(["x"], images, detections, costs)[0] == pytest.approx((0.8 + 0.4) / 2)


def test_a_class_with_few_boxes_uses_the_threshold_of_all():
    images = [image(0) for _ in range(6)] + [image(1)]
    detections = [[detection(0.7), detection(0.3, ELSEWHERE)] for _ in range(6)]
    detections.append([detection(0.65, (20.0, 0.0, 30.0, 10.0), class_id=1)])

    overall, per_class = choose_thresholds(["x", "y"], images, detections, COSTS)

    assert per_class == (0.5, overall)


def test_a_class_is_not_hidden_because_its_objects_are_found_as_another_too():
    """Five objects of class 1, found rightly at 0.6 to 0.8 and as class 0 at 0.5, with false boxes of class 1."""
    there = (20.0, 0.0, 30.0, 10.0)
    images = [image(0) for _ in range(6)] + [image(1) for _ in range(5)]
    detections = [[detection(0.45)] for _ in range(6)]
    detections += [
        [detection(score, there, 1), detection(0.5, there, 0), detection(0.85, ELSEWHERE, 1)]
        for score in (0.6, 0.65, 0.7, 0.75, 0.8)
    ]

    _, per_class = choose_thresholds(["x", "y"], images, detections, COSTS)

    assert per_class[1] <= 0.7


def test_a_class_that_is_never_found_uses_the_threshold_of_all():
    images = [image(0, 1) for _ in range(6)]
    detections = [[detection(0.7), detection(0.3, ELSEWHERE), detection(0.5, ELSEWHERE, 1)] for _ in range(6)]

    overall, per_class = choose_thresholds(["x", "y"], images, detections, COSTS)

    assert per_class[1] == overall == 0.6


def test_without_hits_there_is_a_fallback():
    assert choose_thresholds(["x"], [image(0)] * 6, [[]] * 6, COSTS) == (FALLBACK, (FALLBACK,))
    assert choose_thresholds(["x"], [image(0)] * 6, [[detection(0.5, ELSEWHERE)]] * 6, COSTS)[0] == FALLBACK


def seconds(images, detections, postprocess):
    return sum(corrections_by_image(images, detections, postprocess), Corrections()).seconds(COSTS)


@pytest.mark.parametrize("agnostic", [None, 0.8], ids=["each class by itself", "one box at each place"])
def test_a_sweep_says_what_is_counted_at_every_threshold(agnostic):
    rng = np.random.default_rng(0)
    images = [image(*rng.integers(0, 3, 2)) for _ in range(8)]
    detections = [
        [
            detection(float(rng.integers(2, 20) / 20), (x, 0.0, x + 10, 10.0), int(rng.integers(0, 3)))
            for x in (0.0, 1.0, 20.0, 22.0, 41.0)
        ]
        for _ in range(8)
    ]
    search = ThresholdSearch(images, detections, COSTS, agnostic)
    for class_id in range(3):
        sweep = search.sweep([class_id], (0.4, 0.5, 0.6))
        for threshold in (LOWEST, 0.2, 0.5, 0.51, 0.9, HIGHEST):
            cuts = [0.4, 0.5, 0.6]
            cuts[class_id] = threshold
            counted = seconds(images, detections, Postprocess(0.5, tuple(cuts), agnostic_iou_threshold=agnostic))
            assert sweep.at(threshold) == pytest.approx(counted), (class_id, threshold)


def test_the_chosen_thresholds_cost_no_more_than_any_common_one():
    rng = np.random.default_rng(1)
    images = [image(0, 1) for _ in range(10)]
    detections = [
        [
            detection(float(rng.uniform(0.3, 1)), BOX, 0),
            detection(float(rng.uniform(0.2, 0.6)), (20.0, 0.0, 30.0, 10.0), 1),
            detection(float(rng.uniform(0.1, 0.5)), ELSEWHERE, int(rng.integers(0, 2))),
        ]
        for _ in range(10)
    ]

    _, per_class = choose_thresholds(["x", "y"], images, detections, COSTS)

    def cost(cuts):
        return seconds(images, detections, Postprocess(0.5, cuts))

    assert cost(per_class) <= min(cost((cut, cut)) for cut in np.linspace(LOWEST, HIGHEST, 60))
