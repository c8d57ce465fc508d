"""From raw boxes and scores to detections, with an engine that answers what it is told."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from runtime.detector import Detector
from runtime.image import DecodedImage
from runtime.manifest import Manifest, MaskHead, MaskKind, Postprocess


class FakeEngine:
    """Gives the same boxes and scores for each image and remembers the pixels."""

    name, device, warning = "fake", "none", ""

    def __init__(self, boxes: list, scores: list) -> None:
        self.boxes, self.scores = np.array(boxes, np.float32), np.array(scores, np.float32)
        self.seen: list[np.ndarray] = []

    def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        self.seen.append(pixels)
        return {"boxes": self.boxes[None], "scores": self.scores[None]}


def detector(boxes: list, scores: list, **postprocess: object) -> Detector:
    cut = Postprocess(**{"threshold": 0.5, "thresholds": (0.5, 0.3), **postprocess})
    return Detector(FakeEngine(boxes, scores), Manifest("fake", ("cat", "dog"), (100, 100), cut))


def image(width: int = 200, height: int = 100) -> DecodedImage:
    return DecodedImage(Image.new("RGB", (width, height)), (width, height))


def test_boxes_come_back_in_image_pixels():
    (found,) = detector([[10, 5, 20, 25]], [[0.9, 0.0]]).detect(image())
    assert (found.label, found.class_id) == ("cat", 0)
    assert found.box == (20, 10, 40, 50)
    assert found.score == pytest.approx(0.9)
    assert all(type(value) is float for value in (*found.box, found.score))


def test_engine_sees_the_letterboxed_image():
    the_detector = detector([[0, 0, 1, 1]], [[0, 0]])
    the_detector.detect(image())
    (pixels,) = the_detector.engine.seen
    assert pixels.shape == (1, 100, 100, 3)
    assert pixels.dtype == np.uint8


def test_each_class_has_its_own_threshold():
    found = detector([[0, 0, 10, 10], [20, 20, 30, 30]], [[0.4, 0.0], [0.0, 0.4]]).detect(image())
    assert [item.label for item in found] == ["dog"]


def test_a_requested_threshold_counts_for_every_class_and_includes_itself():
    boxes, scores = [[0, 0, 10, 10], [20, 20, 30, 30]], [[0.25, 0.0], [0.0, 0.125]]
    assert [item.label for item in detector(boxes, scores).detect(image(), 0.25)] == ["cat"]
    assert [item.label for item in detector(boxes, scores).detect(image(), 0.125)] == ["cat", "dog"]
    assert detector(boxes, scores).detect(image(), 1.0) == []


def test_suppression_is_within_a_class():
    boxes, scores = [[0, 0, 10, 10], [0, 0, 10, 9]], [[0.9, 0.0], [0.8, 0.7]]
    assert [(d.label, round(d.score, 2)) for d in detector(boxes, scores).detect(image())] == [
        ("cat", 0.9),
        ("dog", 0.7),
    ]


KEY, BOLT = [10, 10, 50, 50], [10, 10, 50, 49]


def test_one_object_whose_class_is_in_doubt_gets_one_box_if_the_model_says_so():
    boxes, scores = [KEY, BOLT], [[0.53, 0.0], [0.0, 0.49]]  # IoU 0.975

    assert [d.label for d in detector(boxes, scores, thresholds=(0.4, 0.4)).detect(image())] == ["cat", "dog"]
    one = detector(boxes, scores, thresholds=(0.4, 0.4), agnostic_iou_threshold=0.8)
    assert [(d.label, round(d.score, 2)) for d in one.detect(image())] == [("cat", 0.53)]
    assert [d.label for d in one.detect(image(), 0.1)] == ["cat"]


def test_who_measures_gets_each_class_by_itself():
    """mAP and uncertainty are of all that the network finds; nobody is shown a box of 0.05."""
    found = detector([KEY, BOLT], [[0.53, 0.0], [0.0, 0.49]], agnostic_iou_threshold=0.8)

    assert [d.label for d in found.detect(image(), 0.05)] == ["cat", "dog"]


def test_a_box_that_is_not_shown_suppresses_nothing():
    found = detector([KEY, BOLT], [[0.53, 0.0], [0.0, 0.49]], thresholds=(0.6, 0.4), agnostic_iou_threshold=0.8)

    assert [d.label for d in found.detect(image())] == ["dog"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([0, 0, 30, 10], [10, 0, 40, 10]),  # 20 of 40: IoU 0.5
        ([0, 0, 40, 40], [10, 10, 30, 30]),  # one in the other
        ([0, 0, 40, 40], [0, 0, 40, 32]),  # exactly 0.8
    ],
)
def test_two_objects_of_different_classes_both_stay(first, second):
    found = detector([first, second], [[0.9, 0.0], [0.0, 0.5]], agnostic_iou_threshold=0.8)

    assert [d.label for d in found.detect(image())] == ["cat", "dog"]


def test_threshold_zero_of_many_classes_ends_with_the_best():
    corners = np.random.default_rng(0).uniform(0, 90, (3000, 2))
    boxes, scores = np.hstack([corners, corners + 8]), np.random.default_rng(1).uniform(0, 1, (3000, 40))
    labels = tuple(map(str, range(40)))
    cut = Postprocess(0.5, (0.5,) * 40, agnostic_iou_threshold=0.8)
    many = Detector(FakeEngine(boxes.tolist(), scores.tolist()), Manifest("fake", labels, (100, 100), cut))

    found = many.detect(image(), 0.1)

    assert len(found) == 300
    assert found == sorted(found, key=lambda d: -d.score)


def test_best_first_and_at_most_max_detections():
    boxes = [[x, 0, x + 5, 5] for x in range(0, 40, 10)]
    found = detector(boxes, [[0.6, 0], [0.9, 0], [0.7, 0], [0.8, 0]], max_detections=3).detect(image())
    assert [round(item.score, 1) for item in found] == [0.9, 0.8, 0.7]


@pytest.mark.parametrize(
    "box",
    [
        [10, 10, 10, 20],
        [20, 10, 10, 20],
        [np.nan, 0, 5, 5],
        [0, 0, np.inf, np.nan],
        [0, 60, 50, 90],
        [5, 5, 5.001, 9],
    ],
    ids=["no width", "swapped", "NaN", "infinite", "all in the padding", "thinner than it can be written"],
)
def test_boxes_that_are_none_are_dropped(box):
    assert detector([box], [[0.9, 0.9]]).detect(image(), 0.0) == []


def test_boxes_end_at_the_image():
    (found,) = detector([[-10, -10, 110, 110]], [[0.9, 0]]).detect(image())
    assert found.box == (0, 0, 200, 100)


def test_nan_scores_are_no_detections():
    assert detector([[0, 0, 10, 10]], [[np.nan, 0.0]]).detect(image(), 0.1) == []


def test_threshold_zero_of_many_candidates_ends():
    boxes = np.random.default_rng(0).uniform(0, 90, (2000, 2))
    found = detector(np.hstack([boxes, boxes + 8]).tolist(), [[0.5, 0.5]] * 2000).detect(image(), 0.0)
    assert 0 < len(found) <= 300


def test_decode_reads_a_file_for_this_network():
    buffer = io.BytesIO()
    Image.new("RGB", (1600, 1200)).save(buffer, "JPEG")
    decoded = detector([[0, 0, 1, 1]], [[0, 0]]).decode(buffer.getvalue())
    assert decoded.size == (1600, 1200)
    assert decoded.pixels.size == (100, 75)


def test_a_network_with_masks_gives_them_for_what_is_kept() -> None:
    # 100x100 input pixels in 2x2 cells, an image of 200x100: the second box is dropped as a lower one of the first.
    the_detector = detector([[0, 0, 40, 40], [0, 0, 40, 38], [50, 0, 100, 40]], [[0.9, 0], [0.8, 0], [0, 0.7]])
    engine = the_detector.engine
    prototypes, coefficients = np.full((1, 2, 2, 1), 5, np.float32), np.array([[[1], [-1], [1]]], np.float32)
    boxes_only = engine.run
    engine.run = lambda pixels: {**boxes_only(pixels), "prototypes": prototypes, "mask_coefficients": coefficients}
    without = the_detector.detect(image())
    assert [found.mask for found in without] == [None, None]
    head = MaskHead(MaskKind.PROTOTYPES)
    for types, boxes in (((), [(0, 0, 80, 80), (100, 0, 200, 80)]), (("polygon", "rectangle"), [(0, 0, 80, 80), None])):
        the_detector.manifest = replace(the_detector.manifest, mask_head=head, label_types=types)
        found = the_detector.detect(image())
        assert [replace(one, mask=None) for one in found] == without
        assert [one.mask and one.mask.box for one in found] == boxes
