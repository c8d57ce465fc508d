import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from runtime.manifest import MaskHead, MaskKind
from runtime.masks import InstanceMask
from trainer.assigner import IGNORED
from trainer.earlier_run import EarlierRun, transfer_weights
from trainer.models.faster_rcnn.mask_network import mask_losses
from trainer.models.faster_rcnn.mask_targets import NO_MASK
from trainer.models.faster_rcnn.sampling import POSITIVES
from trainer.models.faster_rcnn.stages import MASK_SIDE
from trainer.placed_masks import PlacedMask

SIZE = (128, 96)
BOXES = np.float32([[10, 12, 60, 70], [70, 30, 120, 80]])
CLASSES = np.array([0, 2])


def disc():
    """Return the mask of what lies in the first box."""
    y, x = np.mgrid[0.5 : SIZE[1], 0.5 : SIZE[0]]
    return PlacedMask.as_it_is(InstanceMask.from_bitmap(((x - 35) / 25) ** 2 + ((y - 41) / 29) ** 2 < 1), SIZE)


def batch(network, masks, classes=CLASSES):
    """Return two noisy images: two objects, none."""
    rng = np.random.default_rng(0)
    pixels = tf.constant(rng.integers(0, 256, (2, SIZE[1], SIZE[0], 3), np.uint8))
    objects = network.targets_with_masks(BOXES, np.array(classes), masks, rng)
    none = network.targets(np.zeros((0, 4), np.float32), np.zeros(0, int), rng)
    return {"pixels": pixels, **{name: tf.constant(np.stack([objects[name], none[name]])) for name in objects}}


@pytest.fixture(scope="module")
def with_mask(mask_network):
    return batch(mask_network, (disc(), None))


def test_targets_are_what_they_say_they_are(mask_network, with_mask):
    assert set(with_mask) == {"pixels", *mask_network.target_spec}
    for name, spec in mask_network.target_spec.items():
        assert (with_mask[name].shape[1:], with_mask[name].dtype) == (spec.shape, spec.dtype), name
    assert with_mask["gt_mask_rows"][0, :3].numpy().tolist() == [0, NO_MASK, NO_MASK]


def test_boxes_learn_from_what_faster_rcnn_learns_from(network, mask_network):
    """The same seed draws the same, so that the two can be compared."""
    boxes, with_masks = (one.targets(BOXES, CLASSES, np.random.default_rng(1)) for one in (network, mask_network))

    for name, values in boxes.items():
        np.testing.assert_array_equal(with_masks[name], values, err_msg=name)


def test_a_mask_for_each_of_the_best_boxes(mask_network, with_mask):
    outputs = mask_network.predict(with_mask["pixels"])
    boxes, scores, masks = (outputs[name].numpy() for name in ("boxes", "scores", "masks"))

    assert mask_network.mask_head == MaskHead(MaskKind.BOX_MASKS)
    assert tuple(outputs) == ("boxes", "scores", "masks")
    assert (boxes.shape, scores.shape, masks.shape) == ((2, 100, 4), (2, 100, 3), (2, 100, MASK_SIDE, MASK_SIDE))
    assert {part.dtype for part in (boxes, scores, masks)} == {np.dtype(np.float32)}
    assert (boxes >= 0).all() and (boxes <= np.tile(SIZE, 2)).all()
    assert masks.min() >= 0 and masks.max() <= 1


def test_a_mask_is_that_of_the_best_class(mask_network, with_mask):
    _, logits, mask_logits = mask_network.keras_model(with_mask["pixels"], training=False)
    masks = mask_network.predict(with_mask["pixels"])["masks"].numpy()
    best = np.array(logits).argmax(axis=-1)
    of_best = np.take_along_axis(np.array(mask_logits), best[..., None, None, None], axis=-1)[..., 0]

    assert len(np.unique(best)) > 1
    np.testing.assert_allclose(masks, 1 / (1 + np.exp(-of_best)), atol=1e-6)


def test_masks_are_those_of_the_features_in_their_boxes(mask_network, with_mask):
    """Training computes them box by box; serving has them in one graph."""
    boxes, _, mask_logits = mask_network.keras_model(with_mask["pixels"], training=False)
    features = mask_network.first_stage(with_mask["pixels"], training=False)[0]
    crops = tf.reshape(mask_network.mask_align(features, boxes), (-1, *mask_network.mask_stage.input_shape[1:]))

    np.testing.assert_allclose(
        mask_network.mask_stage(crops), tf.reshape(mask_logits, (-1, *mask_logits.shape[2:])), atol=1e-5
    )


def test_one_model_holds_every_weight(mask_network):
    parts = (mask_network.first_stage, mask_network.second_stage, mask_network.mask_stage, mask_network.backbone)

    assert {id(variable) for part in parts for variable in part.variables} == {
        id(variable) for variable in mask_network.keras_model.variables
    }


def test_a_mask_is_learnt_and_reaches_all_layers_of_masks(mask_network, with_mask):
    model = mask_network.keras_model
    layers = [layer for layer in model.layers if layer.name.startswith("mask_") and layer.weights]
    variables = [model.get_layer("level_0").kernel.value, *(layer.kernel.value for layer in layers)]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        losses = mask_network.losses(with_mask)
    gradients = tape.gradient(losses["mask_loss"].total, variables)

    assert list(losses) == ["proposal_class_loss", "proposal_box_loss", "class_loss", "box_loss", "mask_loss"]
    assert len(layers) == 6
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)
    # An untrained mask is undecided everywhere.
    assert 0 < float(losses["mask_loss"].count) <= POSITIVES
    assert float(losses["mask_loss"].total / losses["mask_loss"].count) == pytest.approx(math.log(2), rel=0.05)
    assert float(mask_network.losses(with_mask)["mask_loss"].total) == float(losses["mask_loss"].total)


def test_the_masks_do_not_move_proposals(mask_network, with_mask):
    kernel = mask_network.keras_model.get_layer("anchor_deltas").kernel.value
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(kernel)
        loss = mask_network.losses(with_mask)["mask_loss"].total

    assert tape.gradient(loss, kernel) is None


@pytest.mark.parametrize(("masks", "classes"), [((), CLASSES), ((None, None), CLASSES), ((disc(), None), [IGNORED, 2])])
def test_what_has_no_mask_teaches_none(mask_network, masks, classes):
    loss = mask_network.losses(batch(mask_network, masks, classes))["mask_loss"]

    assert (float(loss.total), float(loss.count)) == (0, 0)


def test_a_box_without_a_mask_still_teaches_the_box(mask_network, with_mask):
    without = mask_network.losses(batch(mask_network, (None, None)))

    for name, loss in mask_network.losses(with_mask).items():
        if name != "mask_loss":
            assert [float(part) for part in without[name]] == [float(part) for part in loss], name


def test_only_the_mask_of_the_right_class_counts():
    """Class 1 of 3 is sure and right in one mask, undecided in the other."""
    wanted = np.zeros((2, 2, 2), np.float32)
    wanted[:, 0] = 1
    logits = np.full((2, 2, 2, 3), 7, np.float32)
    logits[0, ..., 1], logits[1, ..., 1] = np.where(wanted[0] > 0, 30, -30), 0

    found = mask_losses(tf.constant(logits), tf.constant([1, 1]), tf.constant(wanted)).numpy()

    assert found.tolist() == pytest.approx([0, math.log(2)], abs=1e-5)


def test_masks_of_classes_of_an_earlier_run_are_taken_over_by_name(mask_family, with_mask, tmp_path):
    def build(labels):
        keras.utils.set_random_seed(len(labels))
        backbone = mask_family.build_backbone(input_size=SIZE, alpha=1.0)
        return mask_family.build(num_classes=len(labels), input_size=SIZE, aspects=(0.5, 2.0), backbone=backbone)

    before, after = build("ab"), build("bca")
    before.keras_model.save_weights(tmp_path / "best.weights.h5")
    config = SimpleNamespace(model=mask_family.name, labels=("a", "b"), alpha=1.0, aspects=(0.5, 2.0))
    transfer_weights(EarlierRun("run", config, tmp_path / "best.weights.h5"), mask_family, after, "bca")
    old, new = (one.keras_model.get_layer("mask_predictor").kernel.numpy() for one in (before, after))

    np.testing.assert_array_equal(new[..., [2, 0]], old)


def test_all_but_the_masks_comes_from_a_run_of_faster_rcnn(family, network, mask_family, tmp_path):
    labels = ("a", "b", "c")
    network.keras_model.save_weights(tmp_path / "best.weights.h5")
    config = SimpleNamespace(model=family.name, labels=labels, alpha=1.0, aspects=(0.5, 2.0))
    keras.utils.set_random_seed(5)
    backbone = mask_family.build_backbone(input_size=SIZE, alpha=1.0)
    after = mask_family.build(num_classes=3, input_size=SIZE, aspects=(0.5, 2.0), backbone=backbone)
    missing = transfer_weights(EarlierRun("run", config, tmp_path / "best.weights.h5"), family, after, labels)

    assert missing == [*(f"mask_hidden_{i}" for i in range(4)), "mask_predictor", "mask_upsample"]
    for old, new in zip(network.second_stage.weights, after.second_stage.weights, strict=True):
        np.testing.assert_array_equal(old.numpy(), new.numpy(), err_msg=old.path)
    for old, new in zip(network.first_stage.weights, after.first_stage.weights, strict=True):
        np.testing.assert_array_equal(old.numpy(), new.numpy(), err_msg=old.path)
