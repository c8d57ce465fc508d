"""The backbone of frcnn-resnet50 takes what `keras.applications` publishes, from a download or a file."""

import itertools

import keras
import numpy as np
import pytest

from trainer import backbone_weights
from trainer.backbone_weights import BaseModel
from trainer.errors import TrainingError
from trainer.models import MODELS, frcnn

SIZE = (64, 32)
FIFTY, DEEPER = MODELS["frcnn-resnet50"], MODELS["frcnn-resnet101"]


@pytest.fixture(scope="module")
def original():
    """Stands in for the published network: its statistics are not those of a new one."""
    keras.utils.set_random_seed(1)
    model = keras.applications.ResNet50(input_shape=(SIZE[1], SIZE[0], 3), include_top=False, weights=None)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def backbone():
    return FIFTY.build_backbone(input_size=SIZE, alpha=1.0)


def features(model):
    pixels = np.random.default_rng(0).normal(0, 50, (1, SIZE[1], SIZE[0], 3)).astype(np.float32)
    return model(pixels, training=False).numpy()


def test_fetched_weights_give_the_features_of_the_original(original, backbone, monkeypatch):
    monkeypatch.setattr(keras.applications, "ResNet50", lambda **_: original)
    base = backbone_weights.resolve("imagenet", alpha=None, backbone=FIFTY.backbone)
    backbone_weights.load(backbone, base, FIFTY.backbone)

    assert (base.source, base.alpha, base.pretrained) == ("imagenet", 1.0, True)
    np.testing.assert_allclose(features(backbone), features(original), rtol=1e-3, atol=1e-3)


def test_a_file_of_weights_gives_the_features_of_the_original(original, backbone, tmp_path):
    original.save_weights(tmp_path / "mine.weights.h5")
    backbone.set_weights([np.zeros_like(weight) for weight in backbone.get_weights()])
    base = backbone_weights.resolve(str(tmp_path / "mine.weights.h5"), alpha=None, backbone=FIFTY.backbone)
    backbone_weights.load(backbone, base, FIFTY.backbone)

    assert base == BaseModel("mine.weights.h5", 1.0, path=tmp_path / "mine.weights.h5")
    np.testing.assert_allclose(features(backbone), features(original), rtol=1e-3, atol=1e-3)


def test_weights_of_the_other_depth_do_not_load(original, tmp_path):
    original.save_weights(tmp_path / "fifty.weights.h5")
    deeper = DEEPER.build_backbone(input_size=SIZE, alpha=1.0)
    base = backbone_weights.resolve(str(tmp_path / "fifty.weights.h5"), alpha=None, backbone=DEEPER.backbone)

    with pytest.raises(TrainingError, match=r"^fifty\.weights\.h5: .*expected weights of ResNet101 with alpha 1\.0"):
        backbone_weights.load(deeper, base, DEEPER.backbone)


def test_every_residual_block_can_be_frozen_by_itself(backbone):
    """What comes before a block's start belongs to the blocks before."""
    names = [layer.name for layer in backbone.layers]
    starts = FIFTY.backbone.find_block_starts(backbone)

    assert len(starts) == 1 + 16
    for earlier, start in itertools.pairwise(starts[1:]):
        block = earlier.removesuffix("_1_conv")
        inside = {name for name in names[: names.index(start)] if name.startswith("conv")}
        assert any(name == f"{block}_out" for name in inside)
        assert not any(name.startswith(start.removesuffix("1_conv")) for name in inside)


def test_pixels_become_blue_green_red_without_the_mean():
    pixels = np.array([[[[255, 117, 104]]]], np.uint8)  # red, green, blue
    found = frcnn.CaffePixels()(pixels).numpy().ravel()

    np.testing.assert_allclose(found, [104 - 103.939, 117 - 116.779, 255 - 123.68], atol=1e-4)
    keras_way = keras.applications.resnet.preprocess_input(pixels.astype(np.float32)).ravel()
    np.testing.assert_allclose(found, keras_way, atol=1e-4)
