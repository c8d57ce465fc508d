import numpy as np
import pytest

from trainer.models import MODELS, ssd


@pytest.fixture(scope="module")
def network():
    """Not square, and two anchor shapes: mistakes in the order of axes or anchors would show."""
    size = (128, 96)
    family = MODELS["ssd-mobilenet-v2"]
    backbone = family.build_backbone(input_size=size, alpha=0.35)
    return family.build(num_classes=3, input_size=size, aspects=(0.5, 2.0), backbone=backbone)


@pytest.fixture(scope="module")
def raw(network):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3), np.uint8)
    boxes, scores = network.predict(pixels).values()
    return np.array(boxes), np.array(scores)


def test_there_is_a_prediction_for_every_anchor(network, raw):
    cells = 16 * 12 + 8 * 6 + 4 * 3 + 2 * 2  # strides 8, 16, 32, 64; the last rounded up
    boxes, scores = raw

    assert network.anchors.shape == (2 * cells, 4)
    assert boxes.shape == (2, 2 * cells, 4)
    assert scores.shape == (2, 2 * cells, 3)
    assert (boxes.dtype, scores.dtype) == (np.float32, np.float32)


def test_an_untrained_network_finds_next_to_nothing(raw):
    _, scores = raw

    assert scores.max() < 0.2
    assert scores.mean() == pytest.approx(ssd.PRIOR, rel=0.5)


def test_untrained_boxes_lie_near_their_anchors(network, raw):
    """Which also says that predictions and anchors stand in the same order."""
    boxes, _ = raw
    centres, anchors = ((b[..., :2] + b[..., 2:]) / 2 for b in (boxes, network.anchors))
    sides = (network.anchors[:, 2:] - network.anchors[:, :2]).max(axis=1)

    assert (np.abs(centres - anchors).max(axis=-1) < 0.25 * sides).all()


def test_every_number_of_frozen_blocks_names_a_layer(network):
    names = [layer.name for layer in network.backbone.layers]
    starts = [names.index(start) for start in network.block_starts]

    assert len(starts) == 18  # freeze may be 0 to 17
    assert starts == sorted(starts)


def test_every_family_is_named_by_itself():
    assert all(name == family.name for name, family in MODELS.items())
