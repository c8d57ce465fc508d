"""The point is pycocotools' number, to the last digits, also for images that count twice or not at all."""

import numpy as np
import pytest

from evaluation.average_precision import average_precision, match_class, precision_recall_curve
from evaluation.ground_truth import AnnotatedImage
from evaluation.scores import score
from runtime.detector import Detection

LABELS = ("a", "b", "c")
HIT, MISS = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)
OTHER = (20.0, 20.0, 30.0, 30.0)


def random_images(seed, count=12):
    """Images with a few boxes, and detections near and far from them, with ties of scores between images."""
    rng = np.random.default_rng(seed)
    images, detections = [], []
    for number in range(count):
        boxes = _boxes(rng, rng.integers(0, 6))
        class_ids = rng.integers(0, 2, len(boxes))  # never class c
        near = boxes + rng.normal(0, 4, boxes.shape)
        far = _boxes(rng, rng.integers(0, 8))
        found = np.concatenate([near, near[:2] + 1, far])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        images.append(AnnotatedImage(f"{number}", "", (300, 300), boxes.astype(np.float32), class_ids))
        detections.append(
            [
                Detection(LABELS[k], int(k), float(s), tuple(map(float, box)))
                for box, k, s in zip(
                    found, rng.integers(0, 3, len(found)), rng.permutation(20)[: len(found)] / 20, strict=True
                )
            ]
        )
    return images, detections


def _boxes(rng, count):
    corner, side = rng.integers(0, 200, (count, 2)), rng.integers(10, 80, (count, 2))
    return np.concatenate([corner, corner + side], axis=1).astype(float)


@pytest.mark.parametrize("seed", range(6))
def test_every_image_once_gives_what_pycocotools_gives(seed):
    images, detections = random_images(seed)
    expected = score(LABELS, images, detections)

    found = [average_precision(match_class(k, images, detections))[0] for k in range(3)]

    assert [values[0] for values in found[:2]] == pytest.approx([expected.ap50[label] for label in "ab"], abs=1e-12)
    assert np.isnan(found[2]).all() and expected.ap50["c"] == -1
    assert np.mean(found[:2]) == pytest.approx(expected.mean_ap, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_weights_give_what_pycocotools_gives_for_repeated_images(seed):
    images, detections = random_images(seed)
    weights = np.random.default_rng(seed).multinomial(len(images), np.full(len(images), 1 / len(images)))
    rows = np.repeat(np.arange(len(images)), weights)
    expected = score(LABELS, [images[i] for i in rows], [detections[i] for i in rows])

    found = [average_precision(match_class(k, images, detections), weights[None])[0] for k in range(2)]

    assert np.nanmean(found) == pytest.approx(expected.mean_ap, abs=1e-12)


def test_more_detections_than_coco_counts_are_cut_off():
    boxes = np.float32([[0, 0, 10, 10]])
    images = [AnnotatedImage("", "", (300, 300), boxes, np.array([0]))]
    noise = [Detection("a", 0, 0.9, (50.0, 50.0, 60.0, 60.0))] * 100
    detections = [[*noise, Detection("a", 0, 0.5, (0.0, 0.0, 10.0, 10.0))]]

    assert average_precision(match_class(0, images, detections)).max() == 0
    assert score(("a",), images, detections).map50 == 0


def test_a_class_that_nobody_detected_scores_zero():
    images = [AnnotatedImage("", "", (30, 30), np.float32([[0, 0, 10, 10]]), np.array([0]))]

    assert average_precision(match_class(0, images, [[]])).tolist() == [[0.0] * 10]


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
