import numpy as np
import pytest
import tensorflow as tf
from support.training import training_config

from trainer.models import MODELS
from trainer.models.network import Loss
from trainer.models.ssd import SsdNetwork
from trainer.network_trainer import NetworkTrainer

SSD = MODELS["ssd-mobilenet-v2"]
SIZE = (96, 96)


def network():
    backbone = SSD.build_backbone(input_size=SIZE, alpha=0.35)
    return SSD.build(num_classes=1, input_size=SIZE, aspects=(1.0,), backbone=backbone)


@pytest.fixture(scope="module")
def network_trainer():
    """Pretends that its random weights are pretrained ones."""
    strategy = tf.distribute.get_strategy()
    return NetworkTrainer(
        network(),
        network(),
        training_config(freeze=14, freeze_statistics=True, initial_learning_rate=2e-3, backbone_learning_rate=0.05),
        pretrained=True,
        strategy=strategy,
    )


def batch(network_trainer):
    anchors = network_trainer.network.anchors
    classes = np.full((2, len(anchors)), -1, np.int32)
    classes[:, 30] = 0
    boxes = np.zeros((2, len(anchors), 4), np.float32)
    boxes[:, 30] = anchors[30] + 2
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    return {"pixels": tf.constant(pixels), "gt_classes": tf.constant(classes), "gt_boxes": tf.constant(boxes)}


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


def weights(model):
    return {variable.path: variable.numpy() for variable in model.variables}


def test_a_frozen_backbone_stays_and_the_heads_learn(network_trainer):
    before = weights(network_trainer.network.keras_model)
    network_trainer.train_step(batch(network_trainer), progress=0.5, backbone_frozen=True)
    names = changed(before, weights(network_trainer.network.keras_model))

    assert any(name.startswith("class_tower") for name in names)
    assert not names & {variable.path for variable in network_trainer.network.backbone.variables}


def test_a_thawed_backbone_learns_from_the_first_block_that_is_not_frozen(network_trainer):
    before = weights(network_trainer.network.backbone)
    losses = [network_trainer.train_step(batch(network_trainer), progress=0.5, backbone_frozen=False) for _ in range(8)]
    names = {name.split("/")[0] for name in changed(before, weights(network_trainer.network.backbone))}

    assert {"block_14_expand", "block_16_project", "Conv_1"} <= names
    assert not any(name.startswith(("block_13", "block_1_", "Conv1", "expanded")) for name in names)
    assert not any(name.endswith("_BN") or name == "Conv_1_bn" for name in names)
    assert losses[-1]["box_loss"] < losses[0]["box_loss"]


def test_the_averaged_network_follows(network_trainer):
    path = "class_tower_0/pointwise_kernel"
    start = weights(network_trainer.ema_network.keras_model)[path]
    target = weights(network_trainer.network.keras_model)[path]
    network_trainer.train_step(batch(network_trainer), progress=1.0, backbone_frozen=False)
    after = weights(network_trainer.ema_network.keras_model)[path]

    assert not np.array_equal(start, after)
    assert np.abs(after - target).mean() < np.abs(start - target).mean()


def test_losses_know_the_closing_phase(monkeypatch):
    original = SsdNetwork.losses

    def losses(self, batch):
        return {**original(self, batch), "closing_loss": Loss(3 * batch["closing"], tf.constant(1.0))}

    monkeypatch.setattr(SsdNetwork, "losses", losses)
    trainer = NetworkTrainer(
        network(), network(), training_config(), pretrained=False, strategy=tf.distribute.get_strategy()
    )
    found = [
        trainer.train_step(batch(trainer), progress=0.5, backbone_frozen=True, closing=closing)["closing_loss"]
        for closing in (False, True)
    ]

    assert found == [0, 3]
