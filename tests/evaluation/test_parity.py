"""Comparing detections by class and overlap, by hand."""

from dataclasses import replace

from evaluation.parity import FLOAT_NOISE, MIN_COMPARED_SCORE, Tolerance, compare, match_detections
from runtime.detector import Detection
from runtime.masks import InstanceMask


def cat(x, score=0.9, y=0, size=10):
    return Detection("cat", 0, score, (x, y, x + size, y + size))


def dog(x, score=0.9):
    return Detection("dog", 1, score, (x, 0, x + 10, 10))


def difference(first, second, tolerance=FLOAT_NOISE, max_detections=300):
    return compare([first], [second], tolerance, max_detections=max_detections)


def test_another_order_is_no_difference():
    found = difference([cat(0), cat(50), dog(0)], [dog(0), cat(50), cat(0)])
    assert (found.detections, found.unmatched, found.beyond_tolerance) == (3, 0, 0)
    assert found.only_noise


def test_largest_differences_are_those_of_pairs():
    found = difference([cat(0, 0.9), cat(50, 0.5)], [cat(0.05, 0.9), cat(50, 0.5005)])
    assert (found.unmatched, found.beyond_tolerance) == (0, 0)
    assert round(found.largest_box, 6) == 0.05
    assert round(found.largest_score, 6) == 0.0005


def test_another_class_is_no_partner():
    assert difference([cat(0)], [dog(0)]).unmatched == 2


def test_little_overlap_is_no_partner():
    # 6 of 14 pixels in a row: IoU 0.43; 7 of 13: 0.54
    assert difference([cat(0)], [cat(4)]).unmatched == 2
    assert difference([cat(0)], [cat(3)]).unmatched == 0


def test_a_pair_may_be_beyond_tolerance_in_box_or_score():
    tolerance = Tolerance(box=0.5, score=0.1)
    assert difference([cat(0)], [cat(0.6)], tolerance).beyond_tolerance == 1
    assert difference([cat(0, 0.9)], [cat(0, 0.7)], tolerance).beyond_tolerance == 1
    assert difference([cat(0, 0.9)], [cat(0.4, 0.85)], tolerance).beyond_tolerance == 0


def test_the_best_overlap_wins_and_nobody_has_two_partners():
    pairs, singles = match_detections([cat(0), cat(2)], [cat(2)])
    assert pairs == [(cat(2), cat(2))]
    assert singles == [cat(0)]


def test_below_the_floor_nothing_counts_but_it_may_be_a_partner():
    assert difference([cat(0, MIN_COMPARED_SCORE - 0.01)], []).detections == 0
    found = difference([cat(0, MIN_COMPARED_SCORE + 0.0001)], [cat(0, MIN_COMPARED_SCORE - 0.0001)])
    assert (found.detections, found.unmatched) == (1, 0)


def test_a_full_list_cannot_tell_what_was_cut_off():
    full, other = [cat(0, 0.9), cat(50, 0.3)], [cat(0, 0.9), cat(90, 0.3)]
    assert difference(full, other, max_detections=2).unmatched == 0
    assert difference(full, other, max_detections=3).unmatched == 2


def test_one_near_tie_is_noise_and_two_are_not():
    same = [cat(20 * x) for x in range(20)]
    assert difference([*same, cat(1000)], same).only_noise
    assert not difference([*same, cat(1000), cat(1020)], same).only_noise


def test_images_without_detections():
    found = compare([[], []], [[], []], FLOAT_NOISE, max_detections=300)
    assert found.to_json() == {
        "detections": 0,
        "unmatched": 0,
        "beyond_tolerance": 0,
        "largest_box": 0.0,
        "largest_score": 0.0,
    }


def with_mask(detection, *rows):
    bitmap = [[mark == "#" for mark in row] for row in rows]
    return replace(detection, mask=InstanceMask.from_bitmap(bitmap, int(detection.box[0]), 0))


def test_masks_are_compared_for_each_pair():
    # IoU 1, 3/4 and 1/2: the median is 3/4.
    first = [with_mask(cat(0), "##", "##"), with_mask(cat(20), "##", "##"), with_mask(cat(40), "##", "##"), cat(60)]
    second = [with_mask(cat(0), "##", "##"), with_mask(cat(20), "##", "#."), with_mask(cat(40), "##"), cat(60)]

    found = difference(first, second)

    assert (found.unmatched, found.beyond_tolerance) == (0, 0)
    assert (found.median_mask_iou, found.least_mask_iou) == (0.75, 0.5)
    assert found.only_noise
    assert not found.masks_agree(FLOAT_NOISE)
    assert found.masks_agree(Tolerance(0.1, 0.1, masks=0.7))
    assert {"median_mask_iou": 0.75, "least_mask_iou": 0.5}.items() <= found.to_json().items()


def test_without_masks_nothing_is_said_of_them():
    found = difference([cat(0)], [cat(0)])
    assert found.masks_agree(FLOAT_NOISE)
    assert not [name for name in found.to_json() if "mask" in name]
