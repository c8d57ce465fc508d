from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from trainer.earlier_run import EarlierRun, transfer_weights
from trainer.models.faster_rcnn.stages import PRIOR


@pytest.fixture(scope="module")
def batch(network):
    """Two noisy images: two objects, none."""
    rng = np.random.default_rng(0)
    images = [(np.float32([[10, 12, 60, 70], [70, 30, 120, 80]]), np.array([0, 2])), (np.zeros((0, 4), np.float32), [])]
    targets = [network.targets(boxes, np.array(classes, int), rng) for boxes, classes in images]
    stacked = {name: tf.constant(np.stack([one[name] for one in targets])) for name in targets[0]}
    return {"pixels": tf.constant(rng.integers(0, 256, (2, 96, 128, 3), np.uint8)), **stacked}


def test_targets_are_what_they_say_they_are(network, batch):
    for name, spec in network.target_spec.items():
        assert (batch[name].shape[1:], batch[name].dtype) == (spec.shape, spec.dtype), name


def test_an_answer_for_every_proposal(network, batch):
    boxes, scores = (np.array(part) for part in network.predict(batch["pixels"]).values())

    assert boxes.shape == (2, 200, 4) and scores.shape == (2, 200, 3)
    assert (boxes.dtype, scores.dtype) == (np.float32, np.float32)
    assert boxes[..., 0::2].max() < 128 + 32 and boxes.min() > -32
    assert scores.mean() == pytest.approx(PRIOR, rel=0.5)


def test_the_same_batch_gives_the_same_losses(network, batch):
    """A resumed run depends on it."""
    first, second = ({name: float(loss.total) for name, loss in network.losses(batch).items()} for _ in range(2))

    assert first == second
    assert list(first) == ["proposal_class_loss", "proposal_box_loss", "class_loss", "box_loss"]
    assert all(np.isfinite(value) and value > 0 for value in first.values())


def test_where_proposals_lie_is_not_learnt_from_what_is_seen_there(network, batch):
    """The second stage teaches its own layers and the features, but not the first stage's box."""
    model = network.keras_model
    variables = {name: model.get_layer(name).kernel.value for name in ("anchor_deltas", "objectness", "level_0")}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(list(variables.values()))
        parts = network.losses(batch)
        second = parts["class_loss"].total + parts["box_loss"].total
    gradients = dict(zip(variables, tape.gradient(second, list(variables.values())), strict=True))

    assert gradients["anchor_deltas"] is None and gradients["objectness"] is None
    assert np.abs(gradients["level_0"]).max() > 0


def test_one_model_holds_every_weight(network):
    held = {id(variable) for variable in network.keras_model.variables}
    used = [*network.first_stage.variables, *network.second_stage.variables, *network.backbone.variables]

    assert {id(variable) for variable in used} == held


def test_classes_of_an_earlier_run_are_taken_over_by_name(family, network, batch, tmp_path):
    """What it knew of `b` and `a` answers at their new places."""

    def build(labels):
        backbone = family.build_backbone(input_size=network.input_size, alpha=1.0)
        return family.build(
            num_classes=len(labels), input_size=network.input_size, aspects=(0.5, 2.0), backbone=backbone
        )

    before, after = build("ab"), build("bca")
    before.keras_model.save_weights(tmp_path / "best.weights.h5")
    config = SimpleNamespace(model=family.name, labels=("a", "b"), alpha=1.0, aspects=(0.5, 2.0))
    run = EarlierRun("run", config, tmp_path / "best.weights.h5")
    transfer_weights(run, family, after, "bca")
    boxes, scores = map(np.array, before.predict(batch["pixels"]).values())
    new_boxes, new_scores = map(np.array, after.predict(batch["pixels"]).values())

    np.testing.assert_array_equal(new_boxes, boxes)
    np.testing.assert_allclose(new_scores[..., [2, 0]], scores, atol=1e-6)


def test_blocks_without_names_start_after_the_one_before(family):
    network = family.build_backbone(input_size=(64, 64), alpha=1.0)
    backbone = replace(family.backbone, block_ends=("stride_4", "stride_16"))

    assert backbone.find_block_starts(network) == ("stride_4", "stride_8", "stride_32")
