import numpy as np
import pytest

from evaluation.ground_truth import AnnotatedImage
from runtime.detector import Detection
from trainer.thresholds import FALLBACK, choose

BOX = (0.0, 0.0, 10.0, 10.0)
ELSEWHERE = (50.0, 50.0, 60.0, 60.0)


def image(count, class_id=0):
    boxes = np.float32([BOX] * count).reshape(-1, 4)
    return AnnotatedImage("a.jpg", "a.jpg", (100, 100), boxes, np.full(count, class_id))


def detection(score, box=BOX, class_id=0):
    return Detection("x", class_id, score, box)


def test_the_threshold_lies_between_hits_and_misses():
    images = [image(1) for _ in range(6)]
    detections = [[detection(0.7), detection(0.3, ELSEWHERE)] for _ in range(6)]

    overall, per_class = choose(["x"], images, detections)

    assert overall == pytest.approx(0.5)
    assert per_class == (0.5,)


def test_a_second_hit_of_one_box_is_false():
    images = [image(1) for _ in range(6)]
    detections = [[detection(0.6), detection(0.4)] for _ in range(6)]

    assert choose(["x"], images, detections)[0] == pytest.approx(0.5)


def test_a_class_with_few_boxes_uses_the_threshold_of_all():
    images = [image(1) for _ in range(6)] + [image(1, class_id=1)]
    detections = [[detection(0.7), detection(0.3, ELSEWHERE)] for _ in range(6)] + [[detection(0.65, class_id=1)]]

    overall, per_class = choose(["x", "y"], images, detections)

    assert per_class == (0.5, overall)


def test_without_hits_there_is_a_fallback():
    assert choose(["x"], [image(1)] * 6, [[]] * 6) == (FALLBACK, (FALLBACK,))
