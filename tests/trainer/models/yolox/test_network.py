import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.assigner import IGNORED
from trainer.losses import iou_and_giou
from trainer.models import MODELS
from trainer.models.yolox.network import MAX_BOXES

SIZE = (96, 64)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    family = MODELS["yolox-nano"]
    backbone = family.build_backbone(input_size=SIZE, alpha=1.0)
    return family.build(num_classes=2, input_size=SIZE, aspects=(1.0,), backbone=backbone)


def batch(network, boxes, classes, *, closing=0.0):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, SIZE[1], SIZE[0], 3), np.uint8)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    targets = network.targets(boxes, np.array(classes, np.int64), rng)
    return {
        "pixels": tf.constant(pixels),
        "closing": tf.constant(closing),
        **{name: tf.constant(array[None]) for name, array in targets.items()},
    }


def test_values_of_a_box_are_decoded_to_the_box(network):
    boxes = np.tile(np.array([10.0, 12, 50, 44], np.float32), (1, len(network.cells), 1))

    np.testing.assert_allclose(network._decode(network._encode(boxes)), boxes, atol=1e-3)


def test_an_image_without_boxes_has_only_an_object_loss(network):
    losses = network.losses(batch(network, [], []))

    assert float(losses["class_loss"].total) == float(losses["box_loss"].total) == 0
    assert float(losses["object_loss"].total) > 0


def test_the_closing_phase_adds_the_distance_of_the_values(network):
    box = [[10.0, 12, 50, 44]]
    plain, closing = (float(network.losses(batch(network, box, [0], closing=c))["box_loss"].total) for c in (0.0, 1.0))

    assert closing > plain


def test_a_predicted_box_that_is_far_away_and_much_too_wide_has_a_gradient(network):
    far = tf.Variable(np.tile(np.array([9.0, 9.0, 9.0, 1.0], np.float32), (1, len(network.cells), 1)))
    target = np.tile(np.array([10.0, 12, 50, 44], np.float32), (1, len(network.cells), 1))
    with tf.GradientTape() as tape:
        iou, giou = iou_and_giou(network._decode(far), target)
        loss = tf.reduce_sum(giou)
    gradient = tape.gradient(loss, far).numpy()

    assert (iou.numpy() == 0).all()
    assert (gradient[..., 2] != 0).all()


def test_cells_in_an_ignore_region_do_not_count(network):
    everywhere = [[0.0, 0, *SIZE]]

    assert float(network.losses(batch(network, everywhere, [IGNORED]))["object_loss"].total) == 0


def test_more_boxes_than_count_are_drawn_by_lot(network):
    boxes = np.tile(np.array([[1.0, 2, 30, 40]], np.float32), (MAX_BOXES + 5, 1))
    targets = network.targets(boxes, np.zeros(len(boxes), np.int64), np.random.default_rng(0))

    assert (targets["gt_classes"] == 0).all()
    assert targets["gt_boxes"].shape == (MAX_BOXES, 4)
