"""Boxes by hand."""

import numpy as np

from runtime.boxes import area, clip, iou, nms


def test_area_is_width_times_height_without_one_added():
    assert area(np.array([[1, 2, 4, 6]], np.float32)).tolist() == [12]  # 3 * 4


def test_area_of_swapped_corners_is_zero():
    assert area(np.array([[4, 2, 1, 6], [1, 6, 4, 2]], np.float32)).tolist() == [0, 0]


def test_iou_of_hand_made_boxes():
    first = np.array([[0, 0, 4, 4]], np.float32)
    second = np.array([[0, 0, 4, 4], [2, 0, 6, 4], [0, 0, 2, 2], [4, 0, 8, 4], [1, 1, 1, 1]], np.float32)
    # 16/16, 8/24, 4/16, touching edges only, an empty box
    assert np.allclose(iou(first, second), [[1, 1 / 3, 1 / 4, 0, 0]])


def test_iou_of_no_boxes_has_the_right_shape():
    none = np.zeros((0, 4), np.float32)
    assert iou(none, np.ones((3, 4), np.float32)).shape == (0, 3)
    assert iou(none, none).shape == (0, 0)


def test_clip_cuts_at_the_border_and_keeps_what_is_inside():
    boxes = np.array([[-5, -5, 700, 500], [1, 2, 3, 4]], np.float32)
    assert clip(boxes, (640, 480)).tolist() == [[0, 0, 640, 480], [1, 2, 3, 4]]


def test_nms_drops_the_lower_scored_of_two_overlapping_boxes():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]], np.float32)  # IoU of 0 and 1: 0.9
    assert nms(boxes, np.array([0.5, 0.9, 0.1]), iou_threshold=0.5).tolist() == [1, 2]


def test_nms_keeps_boxes_that_overlap_exactly_at_the_threshold():
    boxes = np.array([[0, 0, 2, 1], [0, 0, 1, 1]], np.float32)  # IoU 0.5
    assert nms(boxes, np.array([0.9, 0.8]), iou_threshold=0.5).tolist() == [0, 1]


def test_nms_lets_a_dropped_box_drop_nothing():
    boxes = np.array([[0, 0, 10, 10], [0, 4, 10, 14], [0, 8, 10, 18]], np.float32)  # neighbours: 6/14, ends: 2/18
    assert nms(boxes, np.array([0.9, 0.8, 0.7]), iou_threshold=0.4).tolist() == [0, 2]


def test_nms_keeps_the_order_of_equal_scores():
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]], np.float32)
    assert nms(boxes, np.array([0.5, 0.5, 0.5]), iou_threshold=0.5).tolist() == [0, 1, 2]


def test_nms_of_nothing_is_nothing():
    assert nms(np.zeros((0, 4), np.float32), np.zeros(0), iou_threshold=0.5).tolist() == []


def test_suppression_stops_at_the_number_that_is_wanted():
    """More boxes than are compared at once: the best three of those that do not overlap, in turn of their scores."""
    boxes = np.array([[10 * (n // 2), 0, 10 * (n // 2) + 10, 10] for n in range(1000)], np.float32)
    scores = np.linspace(0, 1, 1000)

    assert nms(boxes, scores, iou_threshold=0.5, max_boxes=3).tolist() == [999, 997, 995]
    assert nms(boxes, scores, iou_threshold=0.5).tolist() == list(range(999, 0, -2))
