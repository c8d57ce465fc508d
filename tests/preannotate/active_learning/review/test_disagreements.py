"""Disagreements by hand: boxes are small integers, and overlaps stand beside them."""

from dataclasses import replace

import numpy as np
import pytest

from preannotate.active_learning.review.disagreements import DisagreementKind, find_disagreements
from preannotate.active_learning.review.reviewed_frames import (
    UNKNOWN,
    AnnotatedBox,
    DetectionRates,
    ReviewedFrame,
    annotated_boxes,
)
from preannotate.formats.outlines import Polygons
from preannotate.formats.records import Shape
from runtime.detector import Detection
from runtime.masks import InstanceMask

LABELS = ("cat", "dog")
THRESHOLDS = (0.5, 0.5)
PLACE, ELSEWHERE = (0, 0, 10, 10), (50, 50, 60, 60)


def cat(score, place=PLACE):
    return Detection("cat", 0, score, place)


def dog(score, place=PLACE):
    return Detection("dog", 1, score, place)


def mine(label, place=PLACE):
    return AnnotatedBox(label, LABELS.index(label) if label in LABELS else UNKNOWN, place)


def agreement(count=30):
    """Frames on which people and the model agree, from which detection rates follow."""
    return [ReviewedFrame(100 + i, (mine(name), mine(name, ELSEWHERE)), (found(0.9), found(0.9, ELSEWHERE)))
            for i, (name, found) in enumerate([("cat", cat), ("dog", dog)] * (count // 2))]  # fmt: skip


def on(shapes, found):
    """The disagreements of one frame among many on which all agree."""
    return find_disagreements([ReviewedFrame(1, tuple(shapes), tuple(found)), *agreement()], THRESHOLDS)


def test_without_disagreement_there_is_none():
    assert on([mine("cat")], [cat(0.9)]) == []
    assert on([], []) == []
    assert on([], [cat(0.4)]) == [], "below the threshold"


def test_a_detection_that_is_not_annotated():
    (one,) = on([], [cat(0.9)])

    assert (one.kind, one.frame, one.label, one.model_label) == (DisagreementKind.MISSING, 1, None, "cat")
    assert one.text == "The model detects 'cat' (0.90); nothing is annotated there."
    assert (one.annotated, one.model, one.around) == ((), PLACE, PLACE)
    assert one.likelihood == 0.9


def test_an_annotation_that_is_not_detected():
    (one,) = on([mine("dog")], [cat(0.9, ELSEWHERE), dog(0.2)][1:])

    assert (one.kind, one.label, one.model_label, one.score) == (DisagreementKind.EXTRA, "dog", None, None)
    assert one.text == "Annotated as 'dog'; the model detects nothing there, even with a low score."
    # A score of 0.2 is 0.2 of the way to 1 with the threshold at 0.5: 0.2 / 0.5 of the likelihood is gone.
    (undetected,) = on([mine("dog")], [])
    assert one.likelihood == pytest.approx(undetected.likelihood * 0.6, rel=0.05)


def test_an_annotation_with_a_low_score_is_no_mistake():
    assert on([mine("dog")], [dog(0.3)]) == []


def test_another_label():
    (one,) = on([mine("dog")], [cat(0.9), dog(0.1)])

    assert (one.kind, one.label, one.model_label, one.score, one.iou) == (
        DisagreementKind.LABEL,
        "dog",
        "cat",
        0.9,
        1.0,
    )
    assert one.text == "Annotated as 'dog'; the model detects 'cat' (0.90)."
    (uncertain,) = on([mine("dog")], [cat(0.9), dog(0.45)])
    assert uncertain.likelihood < one.likelihood


def test_the_annotated_label_wins_with_the_higher_score():
    assert on([mine("dog")], [dog(0.9), cat(0.6)]) == []


def test_a_cat_on_a_dog_is_no_other_label():
    large = (0, 0, 16, 10)  # 10 of 16 columns

    assert on([mine("dog", large), mine("cat")], [cat(0.95), dog(0.6, large)]) == []


def test_a_loose_box():
    (one,) = on([mine("cat", (0, 0, 20, 10))], [cat(0.9)])

    assert (one.kind, one.iou) == (DisagreementKind.LOOSE, 0.5)
    assert one.text == "The annotated box of 'cat' and that of the model (0.90) overlap by 50% (IoU)."
    assert one.around == (0, 0, 20, 10)


def test_a_box_that_moved_far_is_one_disagreement_and_not_two():
    (one,) = on([mine("cat", (6, 0, 16, 10))], [cat(0.9)])  # 4 of 16 columns

    assert (one.kind, one.iou) == (DisagreementKind.LOOSE, 0.25)


def test_a_looser_box_is_more_likely_a_mistake():
    (near,) = on([mine("cat", (0, 0, 14, 10))], [cat(0.9)])  # 10 of 14 columns
    (far,) = on([mine("cat", (0, 0, 20, 10))], [cat(0.9)])  # 10 of 20
    (moved,) = on([mine("cat", (6, 0, 16, 10))], [cat(0.9)])  # 4 of 16

    assert near.likelihood == pytest.approx(0.9 * (0.8 - 10 / 14) / 0.4)
    assert far.likelihood == pytest.approx(0.9 * (0.8 - 10 / 20) / 0.4)
    assert moved.likelihood == 0.9


def test_a_second_box_around_one_object():
    (one,) = on([mine("cat"), mine("cat", (0, 0, 10, 9))], [cat(0.9)])

    assert (one.kind, one.iou, one.likelihood) == (DisagreementKind.DUPLICATE, pytest.approx(0.9), pytest.approx(0.9))
    assert one.text == "Two boxes of 'cat' overlap by 90% (IoU)."
    assert one.annotated == (PLACE, (0, 0, 10, 9))


def test_two_labels_on_one_object():
    (one,) = on([mine("cat"), mine("dog")], [cat(0.9)])

    assert (one.kind, one.label) == (DisagreementKind.DUPLICATE, "cat, dog")
    assert one.text == "Boxes of 'cat' and of 'dog' overlap by 100% (IoU)."


def test_two_objects_that_are_detected_as_two_are_no_duplicate():
    left, right = (0, 0, 10, 10), (3, 0, 13, 10)  # 7 of 13 columns

    assert on([mine("cat", left), mine("cat", right)], [cat(0.9, left), cat(0.8, right)]) == []
    assert [one.kind for one in on([mine("cat", left), mine("cat", right)], [cat(0.9, left)])] == [
        DisagreementKind.DUPLICATE
    ]


def test_labels_that_the_model_does_not_have_are_left_out():
    assert on([mine("boat")], []) == []
    assert on([mine("boat")], [cat(0.9)]) == [], "something is annotated there"


def test_a_part_of_an_annotated_object_is_less_likely_an_object_of_its_own():
    (part,) = on([mine("cat", (0, 0, 100, 100))], [cat(0.9, (0, 0, 100, 100)), cat(0.9, (10, 10, 20, 20))])
    (alone,) = on([], [cat(0.9)])

    assert part.kind == DisagreementKind.MISSING
    assert part.likelihood == pytest.approx(alone.likelihood / 2, rel=0.05)


def test_the_most_likely_mistake_comes_first():
    frames = [ReviewedFrame(1, (), (cat(0.6),)), ReviewedFrame(2, (), (cat(0.95),)), *agreement()]

    assert [one.frame for one in find_disagreements(frames, THRESHOLDS)] == [2, 1]


def test_a_model_that_misses_much_proves_little_by_detecting_nothing():
    missed = [ReviewedFrame(i, (mine("cat", (0, 0, 40, 40)),), ()) for i in range(30)]
    found = find_disagreements([*missed, ReviewedFrame(50, (mine("dog"),), ()), *agreement()], THRESHOLDS)

    (of_dog,) = [one.likelihood for one in found if one.frame == 50]
    assert max(one.likelihood for one in found if one.label == "cat") < 0.55 < of_dog


def test_detection_rates_by_class_and_by_size():
    small, large = [(0, 0, 4, 4)] * 30, [(0, 0, 40, 40)] * 30
    frames = [ReviewedFrame(i, (mine("cat", place),), ()) for i, place in enumerate(small)]
    frames += [ReviewedFrame(i, (mine("dog", place),), (dog(0.9, place),)) for i, place in enumerate(large)]
    rates = DetectionRates.count(frames, THRESHOLDS)

    assert rates.by_class == (1 / 32, 31 / 32)
    assert rates.rate(1, 1600) == 31 / 32  # all of its size, and one of each added
    assert rates.rate(1, 16) == 1 / 32
    assert rates.rate(0, 1600) == 1 / 32


def test_without_objects_a_rate_is_one_half():
    assert DetectionRates.count([], THRESHOLDS).rate(0, 100) == 0.5


def test_shapes_become_the_box_around_them():
    shapes = [
        Shape("cat", "box", (1, 2, 30, 400), source="manual"),
        Shape("dog", "rotated box", (0, 9, 20, 19)),
        Shape("boat", "polygon", (5, 5, 9, 8)),
        Shape("cat", "polyline", None),
        Shape("cat", "box", (200, 0, 210, 9), source="manual"),
    ]

    found = annotated_boxes(shapes, LABELS, (100, 50))

    assert [AnnotatedBox(one.label, one.class_id, tuple(round(value, 6) for value in one.box)) for one in found] == [
        AnnotatedBox("cat", 0, (1, 2, 30, 50)),
        AnnotatedBox("dog", 1, (0, 9, 20, 19)),
        AnnotatedBox("boat", UNKNOWN, (5, 5, 9, 8)),
    ]


FULL, HALF = np.ones((10, 10)), np.ones((10, 10)) * (np.arange(10) < 5)[:, None]


def masked(one, bitmap):
    return replace(one, mask=InstanceMask.from_bitmap(bitmap, *map(int, one.box[:2])))


def test_a_loose_outline_in_the_right_box():
    (one,) = on([masked(mine("cat"), FULL)], [masked(cat(0.9), HALF)])

    assert (one.kind, one.title, one.iou) == (DisagreementKind.LOOSE, "loose outline", 0.5)
    assert one.text == "The annotated outline of 'cat' and that of the model (0.90) overlap by 50% (IoU)."
    assert [mask.area for mask in (*one.annotated_masks, one.model_mask)] == [100, 50]
    assert on([masked(mine("cat"), HALF)], [masked(cat(0.9), HALF)]) == []


def test_what_was_annotated_as_a_box_has_no_loose_outline():
    assert on([mine("cat")], [masked(cat(0.9), HALF)]) == []


def test_objects_that_cross_are_two():
    """Thin and diagonal, in the same box: of another label each, and neither a duplicate."""
    down, up = np.eye(10), np.eye(10)[::-1]
    annotated, found = masked(mine("cat"), down), masked(cat(0.9), down)
    other, of_other = masked(mine("cat"), up), masked(cat(0.9), up)

    assert on([annotated, other], [found, of_other]) == []
    assert [one.kind for one in on([annotated], [found, of_other])] == [DisagreementKind.MISSING]
    assert {one.kind for one in on([annotated, other], [found])} == {DisagreementKind.EXTRA}


def test_two_outlines_of_one_object():
    (one,) = on([masked(mine("cat"), FULL), masked(mine("cat"), FULL)], [masked(cat(0.9), FULL)])

    assert (one.kind, one.outline) == (DisagreementKind.DUPLICATE, True)
    assert one.text == "Two outlines of 'cat' overlap by 100% (IoU)."


def test_outlines_of_frames_are_drawn_if_the_function_has_masks():
    square = Shape("cat", "polygon", (2, 2, 6, 6), outline=Polygons.of([[2, 2, 6, 2, 6, 6, 2, 6]]))

    (drawn,) = annotated_boxes([square], LABELS, (20, 20), masks=True)
    (plain,) = annotated_boxes([square], LABELS, (20, 20))

    assert (drawn.mask, drawn.box) == (InstanceMask.from_bitmap(np.ones((4, 4)), 2, 2), (2, 2, 6, 6))
    assert plain.mask is None


def test_outlines_that_claim_more_pixels_than_an_image_has_are_boxes(monkeypatch):
    monkeypatch.setattr("preannotate.active_learning.review.reviewed_frames._MASK_PIXELS", 20)
    square = Shape("cat", "polygon", (2, 2, 6, 6), outline=Polygons.of([[2, 2, 6, 2, 6, 6, 2, 6]]))

    first, second = annotated_boxes([square, square], LABELS, (20, 20), masks=True)
    (huge,) = annotated_boxes([square], LABELS, (10**6, 10**6), masks=True)

    assert first.mask is not None
    assert second.mask is None
    assert huge.mask is None
