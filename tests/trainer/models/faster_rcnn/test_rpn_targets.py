import numpy as np

from runtime.boxes import iou
from trainer import anchors
from trainer.assigner import IGNORED
from trainer.models.faster_rcnn.rpn_targets import NEGATIVE, NEGATIVE_BELOW, POSITIVE, SAMPLES, UNUSED, sample_anchors

BOXES, LEVELS = anchors.generate((256, 192), (8, 16, 32, 64))
GT = np.float32([[20, 20, 60, 60], [100, 50, 230, 170]])


def drawn(gt_boxes, seed=0, boxes=BOXES, levels=LEVELS, classes=None):
    classes = np.zeros(len(gt_boxes), np.int64) if classes is None else np.array(classes)
    return sample_anchors(gt_boxes, classes, boxes, levels, np.random.default_rng(seed))


def test_objects_and_background_are_drawn():
    sample = drawn(GT)
    positive = sample.state == POSITIVE
    overlaps = iou(GT, BOXES[sample.index]).max(axis=0)

    assert 4 <= positive.sum() <= SAMPLES // 2
    assert positive.sum() + (sample.state == NEGATIVE).sum() == SAMPLES
    assert len(np.unique(sample.index)) == SAMPLES
    assert (overlaps[~positive] < NEGATIVE_BELOW).all()


def test_a_place_to_pass_over_is_neither_object_nor_background():
    sample = drawn(GT, classes=[0, IGNORED])
    rows = BOXES[sample.index[sample.state != UNUSED]]
    centres = (rows[:, :2] + rows[:, 2:]) / 2

    assert {tuple(box) for box in sample.boxes[sample.state == POSITIVE]} == {tuple(GT[0])}
    assert not ((centres > GT[1, :2]) & (centres < GT[1, 2:])).all(axis=1).any()
    assert (iou(GT[1:], rows) < NEGATIVE_BELOW).all()


def test_a_positive_anchor_answers_for_a_box_that_it_overlaps():
    sample = drawn(GT)
    rows = np.flatnonzero(sample.state == POSITIVE)

    assert {tuple(box) for box in sample.boxes[rows]} == {tuple(box) for box in GT}
    assert all(iou(sample.boxes[[row]], BOXES[[sample.index[row]]])[0, 0] > 0.2 for row in rows)
    assert not sample.boxes[sample.state == NEGATIVE].any()


def test_at_most_half_are_objects():
    many = np.concatenate([BOXES[LEVELS == 0][::2] + shift for shift in (0, 1)])

    assert (drawn(many).state == POSITIVE).sum() == SAMPLES // 2


def test_an_image_without_objects_is_all_background():
    assert (drawn(np.zeros((0, 4), np.float32)).state == NEGATIVE).all()


def test_few_anchors_leave_places_unused():
    sample = drawn(GT[:1], boxes=BOXES[:40], levels=LEVELS[:40])

    assert (sample.state == UNUSED).sum() >= SAMPLES - 40
    assert not sample.index[sample.state == UNUSED].any()


def test_the_generator_decides_alone():
    assert np.array_equal(drawn(GT, 1).index, drawn(GT, 1).index)
    assert not np.array_equal(drawn(GT, 1).index, drawn(GT, 2).index)
