"""COCO's average precision of masks: pycocotools' own, to the last digit, from our masks."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation.average_precision import average_precision, match_class_masks
from evaluation.ground_truth import AnnotatedImage, with_answered_masks
from evaluation.scores import of_answers, score, score_masks
from runtime.detector import Detection
from runtime.masks import InstanceMask

LABELS = ("cat", "dog")
SIZE = 40


def _mask(bitmap: Any, left: int = 0, top: int = 0) -> InstanceMask:
    mask = InstanceMask.from_bitmap(np.asarray(bitmap), left, top)
    assert mask is not None
    return mask


def _image(masks: list[InstanceMask | None], boxes: Any = None, class_ids: Any = None) -> AnnotatedImage:
    boxes = [mask.box for mask in masks if mask] if boxes is None else boxes
    class_ids = np.array(class_ids or [0] * len(masks))
    return AnnotatedImage("a", "a", (SIZE, SIZE), np.float32(boxes).reshape(-1, 4), class_ids, tuple(masks))


def _random_mask(rng: np.random.Generator) -> InstanceMask:
    bitmap = rng.random((int(rng.integers(6, 14)), int(rng.integers(6, 14)))) < 0.97
    bitmap[0, 0] = True
    return _mask(bitmap, int(rng.integers(0, 26)), int(rng.integers(0, 26)))


def test_random_masks_score_as_with_pycocotools_alone() -> None:
    rng = np.random.default_rng(7)
    images, detections = [], []
    for _ in range(12):
        masks = [_random_mask(rng) for _ in range(int(rng.integers(1, 5)))]
        images.append(_image(masks, class_ids=rng.integers(0, 2, len(masks)).tolist()))
        found = []
        for mask in masks:
            near = mask.moved(int(rng.integers(0, 2)), int(rng.integers(0, 2)))
            class_id = int(images[-1].class_ids[len(found)]) if rng.random() < 0.8 else int(rng.integers(0, 2))
            found.append(Detection(LABELS[class_id], class_id, float(rng.random()), near.box, near))
        detections.append(found)

    ours, expected = score_masks(LABELS, images, detections), _pycocotools(images, detections)

    assert ours is not None
    assert 0.05 < expected[0] < 0.95
    assert (ours.mean_ap, ours.map50, ours.map75) == pytest.approx(expected, abs=1e-12)


def test_matches_that_can_be_drawn_again_score_the_same() -> None:
    rng = np.random.default_rng(11)
    images, detections = [], []
    for _ in range(10):
        masks: list[InstanceMask | None] = [_random_mask(rng) for _ in range(int(rng.integers(1, 6)))]
        boxes = [mask.box for mask in masks if mask]
        found = [mask.moved(int(rng.integers(0, 2)), int(rng.integers(0, 2))) for mask in masks if mask]
        # A third are annotated as boxes only, and some detections are nowhere near.
        images.append(_image([mask if rng.random() < 0.7 else None for mask in masks], boxes=boxes))
        found += [_random_mask(rng) for _ in range(3)]
        detections.append([Detection("cat", 0, float(rng.random()), mask.box, mask) for mask in found])

    expected = score_masks(["cat"], images, detections)
    (values,) = average_precision(match_class_masks(0, images, detections))

    assert expected is not None
    assert values.mean() == pytest.approx(expected.mean_ap, abs=1e-12)
    assert values[0] == pytest.approx(expected.map50, abs=1e-12)
    assert 0.1 < expected.mean_ap < 0.95


def _pycocotools(images: list[AnnotatedImage], detections: list[list[Detection]]) -> tuple[float, float, float]:
    def encoded(mask: InstanceMask) -> Any:
        return rle.encode(np.asfortranarray(mask.to_image((SIZE, SIZE)).astype(np.uint8)))

    annotations: list[dict[str, Any]] = []
    results = []
    for number, (image, found) in enumerate(zip(images, detections, strict=True), start=1):
        for mask, class_id in zip(image.masks, image.class_ids, strict=True):
            assert mask is not None
            ids = {"id": len(annotations) + 1, "image_id": number, "category_id": int(class_id) + 1, "iscrowd": 0}
            annotations.append(ids | {"segmentation": encoded(mask), "area": mask.area})
        for one in found:
            assert one.mask is not None
            results.append(
                {
                    "image_id": number,
                    "category_id": one.class_id + 1,
                    "score": one.score,
                    "segmentation": encoded(one.mask),
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": number, "width": SIZE, "height": SIZE} for number in range(1, len(images) + 1)],
            "categories": [{"id": 1}, {"id": 2}],
            "annotations": annotations,
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return tuple(evaluation.stats[:3])


def test_a_right_box_with_a_wrong_mask_is_wrong() -> None:
    ring = np.ones((20, 20), bool)
    ring[2:18, 2:18] = False
    image = _image([_mask(ring)])
    found = [[Detection("cat", 0, 0.9, (0, 0, 20, 20), _mask(np.ones((20, 20))))]]

    of_masks = score_masks(LABELS, [image], found)

    assert of_masks is not None
    assert of_masks.map50 == 0  # 144 of 400 pixels
    assert score(LABELS, [image], found).map50 == pytest.approx(1)


def test_a_box_without_a_mask_is_neither_missed_nor_wrong_to_find() -> None:
    block = _mask(np.ones((10, 10)))
    image = _image([block, None], boxes=[(0, 0, 10, 10), (20, 20, 30, 30)])
    hit = Detection("cat", 0, 0.5, (0, 0, 10, 10), block)
    on_the_box = Detection("cat", 0, 0.9, (20, 20, 30, 30), block.moved(20, 20))
    elsewhere = Detection("cat", 0, 0.9, (20, 0, 30, 10), block.moved(20, 0))

    scores = [score_masks(LABELS, [image], [found]) for found in ([hit], [on_the_box, hit], [elsewhere, hit])]

    assert [found and (found.map50, found.boxes) for found in scores] == [
        (pytest.approx(1), 1),
        (pytest.approx(1), 1),
        (pytest.approx(0.5), 1),
    ]


def test_a_detection_without_a_mask_finds_none() -> None:
    image = _image([_mask(np.ones((10, 10)))])
    found = score_masks(LABELS, [image], [[Detection("cat", 0, 0.5, (0, 0, 10, 10))]])
    assert found is not None
    assert found.map50 == 0


def test_nothing_is_measured_where_no_mask_is_annotated() -> None:
    boxes = AnnotatedImage("a", "a", (9, 9), np.float32([[0, 0, 9, 9]]), np.array([0]))
    assert score_masks(LABELS, [boxes, _image([None], boxes=[(0, 0, 5, 5)])], [[], []]) is None


def test_a_label_that_is_answered_with_rectangles_counts_by_its_boxes() -> None:
    """Both are found; the cat's mask is half of what was annotated, and nobody asks for the dog's."""
    square = _mask(np.ones((10, 10)))
    half, beside = _mask(np.ones((5, 10))), square.moved(20, 0)
    image = _image([square, beside], class_ids=[0, 1])
    found = [[Detection("cat", 0, 0.9, square.box, half), Detection("dog", 1, 0.9, beside.box)]]

    images = with_answered_masks([image], lambda class_id: ("polygon", "rectangle")[class_id])
    boxes, masks = score(LABELS, images, found), score_masks(LABELS, images, found)
    together = of_answers(boxes, masks)

    assert masks is not None
    # IoU of 0.5 exactly: right at the first of ten thresholds.
    assert masks.ap == {"cat": pytest.approx(0.1), "dog": -1}
    assert masks.mean_ap == pytest.approx(0.1)
    assert together.ap == {"cat": pytest.approx(0.1), "dog": pytest.approx(1)}
    assert together.mean_ap == pytest.approx(0.55)
    assert of_answers(boxes, None) is boxes


def test_where_all_labels_have_masks_these_are_what_counts() -> None:
    square = _mask(np.ones((10, 10)))
    images, found = [_image([square])], [[Detection("cat", 0, 0.9, square.box, square)]]
    masks = score_masks(LABELS, images, found)

    assert of_answers(score(LABELS, images, found), masks) is masks


def test_without_a_label_that_is_answered_with_masks_there_are_none() -> None:
    (image,) = with_answered_masks([_image([_mask(np.ones((3, 3)))])], lambda class_id: "rectangle")

    assert image.masks == ()
