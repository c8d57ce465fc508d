import logging
import re

import h5py
import keras
import numpy as np
import pytest

from trainer.backbone_weights import BaseModel, load, resolve
from trainer.errors import TrainingError
from trainer.models import MODELS

SSD = MODELS["ssd-mobilenet-v2"]
MOBILENET = SSD.backbone


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of alpha 0.35 as keras.applications saves them, with numbers that are not those of a new network."""
    backbone = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, include_top=False, weights=None)
    path = tmp_path_factory.mktemp("weights") / "mine.weights.h5"
    backbone.save_weights(path)
    return path, backbone


def test_the_width_is_read_from_the_file(weights):
    path, _ = weights

    assert resolve(str(path), alpha=None, backbone=MOBILENET) == BaseModel("mine.weights.h5", 0.35, path=path)


def test_loaded_weights_give_the_features_of_the_original(weights):
    path, original = weights
    backbone = SSD.build_backbone(input_size=(96, 96), alpha=0.35)
    load(backbone, resolve(str(path), alpha=None, backbone=MOBILENET), MOBILENET)
    pixels = np.random.default_rng(0).normal(size=(1, 96, 96, 3)).astype(np.float32)

    np.testing.assert_allclose(backbone(pixels).numpy(), original(pixels).numpy(), atol=1e-4)


def test_another_alpha_is_refused(weights):
    sentence = "mine.weights.h5: weights of alpha 0.35; expected 1.0. Leave alpha out or change it."

    with pytest.raises(TrainingError, match=re.escape(sentence)):
        resolve(str(weights[0]), alpha=1.0, backbone=MOBILENET)


def test_no_file_is_refused():
    sentence = (
        "--base-model: 'lost.h5' is not a file; expected imagenet, none, the folder of a run, or a .weights.h5 file."
    )

    with pytest.raises(TrainingError, match=re.escape(sentence)):
        resolve("lost.h5", alpha=None, backbone=MOBILENET)


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "text.h5").write_text("no weights")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["kernel"] = np.zeros((1, 1, 3, 3))

    with pytest.raises(TrainingError, match=re.escape("text.h5: not an HDF5 file; expected a .weights.h5 file")):
        resolve(str(tmp_path / "text.h5"), alpha=None, backbone=MOBILENET)
    with pytest.raises(
        TrainingError, match=re.escape("other.h5: no weights of MobileNetV2; expected a .weights.h5 file of it")
    ):
        resolve(str(tmp_path / "other.h5"), alpha=None, backbone=MOBILENET)


def _external(file):
    file.create_dataset("a", (4,), "f4", external=[("secret", 0, 16)])


def _virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("secret", "a", (4,))
    file.create_virtual_dataset("a", layout)


def _link(file):
    file["a"] = h5py.ExternalLink("secret", "a")


@pytest.mark.parametrize("write", [_external, _virtual, _link])
def test_numbers_of_another_file_are_not_read(tmp_path, write):
    """A file of a stranger must not bring contents of this machine into a network."""
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        write(file)
    with pytest.raises(TrainingError) as error:
        resolve(str(path), alpha=None, backbone=MOBILENET)
    assert str(error.value) == (
        "a.weights.h5: the numbers of a lie in another file; expected a file of weights. Save them again with "
        "save_weights."
    )


def test_more_numbers_than_the_file_can_hold_are_not_read(tmp_path):
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (200_000, 100_000), "f4", chunks=(1000, 1000), compression="gzip")
    with pytest.raises(TrainingError, match=r"^a\.weights\.h5: 80000000000 bytes of numbers in a file of \d+; "):
        resolve(str(path), alpha=None, backbone=MOBILENET)


def test_weights_of_another_size_do_not_load(weights):
    backbone = SSD.build_backbone(input_size=(96, 96), alpha=0.5)

    with pytest.raises(TrainingError, match=r"^mine\.weights\.h5: .*expected weights of MobileNetV2 with alpha 0\.35"):
        load(backbone, resolve(str(weights[0]), alpha=None, backbone=MOBILENET), MOBILENET)


def test_none_starts_from_random_weights():
    assert resolve("none", alpha=None, backbone=MOBILENET) == BaseModel("none", 0.35)
    assert resolve("none", alpha=0.5, backbone=MOBILENET) == BaseModel("none", 0.5)


def test_without_a_network_training_goes_on_and_says_what_is_lost(monkeypatch, caplog):
    def refuse(*_, **__):
        raise Exception("URL fetch failure on …: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(keras.applications, "MobileNetV2", refuse)
    with caplog.at_level(logging.WARNING):
        base = resolve("imagenet", alpha=None, backbone=MOBILENET)

    assert base == BaseModel("none", 0.35)
    assert caplog.messages == [
        "ImageNet weights cannot be downloaded (URL fetch failure on …: None -- [Errno -2] Name or service not known): "
        "training starts from random weights, which give far lower scores with few images. Download "
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5 elsewhere and pass --base-model PATH, or "
        "use ssd-efficientnet-lite0, whose weights are a Python package."
    ]


def test_fetched_weights_reach_the_backbone(weights, monkeypatch):
    _, original = weights
    monkeypatch.setattr(keras.applications, "MobileNetV2", lambda *_, **__: original)
    base = resolve("imagenet", alpha=0.35, backbone=MOBILENET)
    monkeypatch.undo()
    backbone = SSD.build_backbone(input_size=(96, 96), alpha=0.35)
    load(backbone, base, MOBILENET)

    assert (base.source, base.alpha, base.pretrained) == ("imagenet", 0.35, True)
    assert all(np.array_equal(a, b) for a, b in zip(backbone.get_weights(), original.get_weights(), strict=True))
