"""Weights of YOLOX from files: made here of a network with random weights, and the real ones where they are at hand."""

import os
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import onnx
import pytest
from keras import layers
from onnx import numpy_helper
from support.torch_files import save_model

from runtime.image import decode
from runtime.letterbox import Letterbox
from trainer import base_weights, batch_statistics, torch_checkpoint
from trainer.earlier_run import EarlierRun, can_start_from, notes, transfer_weights
from trainer.errors import TrainingError
from trainer.models import MODELS
from trainer.models.yolox import architecture

SHARED = Path(os.environ.get("PREANNOTATE_SHARED", Path(__file__).parents[5] / "shared"))
REAL = SHARED / "weights" / "yolox_nano.onnx"
PHOTOS = SHARED / "data" / "raccoon"
SIZE = (96, 64)
NANO = MODELS["yolox-nano"]
LABELS = [f"class {number}" for number in range(79)] + ["person"]


def make(labels, size=SIZE, family=NANO):
    backbone = family.build_backbone(input_size=size, alpha=1.0)
    return family.build(num_classes=len(labels), input_size=size, aspects=(1.0,), backbone=backbone)


@pytest.fixture(scope="module")
def original():
    """A network with 80 classes and statistics as training leaves them."""
    keras.utils.set_random_seed(0)
    network, rng = make(range(80)), np.random.default_rng(0)
    for layer in all_layers(network):
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, values.shape) for values in layer.get_weights()])
    return network


def all_layers(network):
    return [*network.backbone.layers, *network.keras_model.layers]


def pixels(size=SIZE, images=2):
    return np.random.default_rng(1).integers(0, 256, (images, size[1], size[0], 3), np.uint8)


def write_export(path, network, size=architecture.SIZES["nano"]):
    """Write convolutions with their statistics folded in, in the order in which they run, as an ONNX file."""
    here = {layer.name: layer for layer in all_layers(network)}
    nodes, tensors = [], []
    for number, expected in enumerate(architecture.convolutions(size, network.num_classes)):
        layer = here[expected.name]
        kernel = layer.kernel.numpy().transpose((2, 3, 0, 1) if "dconv" in layer.name else (3, 2, 0, 1))
        if layer.name == architecture.STEM:
            kernel = kernel[:, np.argsort(architecture.STEM_INPUTS)]
        if layer.use_bias:
            bias = layer.bias.numpy()
        else:
            norm = here[f"{layer.name.removesuffix('.conv')}.bn"]
            gamma, beta, mean, variance = norm.get_weights()
            factor = gamma / np.sqrt(variance + norm.epsilon)
            kernel, bias = kernel * factor[:, None, None, None], beta - mean * factor
        tensors += [numpy_helper.from_array(kernel, f"k{number}"), numpy_helper.from_array(bias, f"b{number}")]
        nodes.append(onnx.helper.make_node("Conv", [f"x{number}", f"k{number}", f"b{number}"], [f"x{number + 1}"]))
    path.write_bytes(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], tensors)).SerializeToString())


@pytest.mark.parametrize("name", ["nano.onnx", "NANO.ONNX"])
def test_an_export_gives_the_answers_of_the_original(original, tmp_path, name):
    write_export(tmp_path / name, original)
    tensors = NANO.weights.read(tmp_path / name)
    network = make(tensors.labels)
    known = NANO.weights.load(network, tensors, tensors.labels)

    assert tensors.folded
    assert known == list(tensors.labels)
    for mine, theirs in zip(network.predict(pixels()).values(), original.predict(pixels()).values(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-3, rtol=1e-4)


def write_checkpoint(path, network, size=architecture.SIZES["nano"]):
    """Write the weights as the official implementation keeps them in its training state."""
    here = {layer.name: layer for layer in all_layers(network)}
    tensors = {}
    for expected in architecture.convolutions(size, network.num_classes):
        layer = here[expected.name]
        kernel = layer.kernel.numpy().transpose((2, 3, 0, 1) if "dconv" in layer.name else (3, 2, 0, 1))
        if layer.name == architecture.STEM:
            kernel = kernel[:, np.argsort(architecture.STEM_INPUTS)]
        tensors[f"{layer.name}.weight"] = kernel
        if layer.use_bias:
            tensors[f"{layer.name}.bias"] = layer.bias.numpy()
        else:
            norm = f"{layer.name.removesuffix('.conv')}.bn"
            names = ("weight", "bias", "running_mean", "running_var")
            tensors |= dict(zip((f"{norm}.{name}" for name in names), here[norm].get_weights(), strict=True))
    return save_model(path, tensors)


def test_a_checkpoint_gives_the_answers_of_the_original(original, tmp_path):
    tensors = NANO.weights.read(write_checkpoint(tmp_path / "nano.pth", original))
    network = make(tensors.labels)
    NANO.weights.load(network, tensors, tensors.labels)

    assert not tensors.folded
    for mine, theirs in zip(network.predict(pixels()).values(), original.predict(pixels()).values(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_a_network_with_masks_starts_from_the_same_weights(original, tmp_path):
    family = MODELS["yolox-nano-seg"]
    network = make(LABELS, family=family)
    tensors = family.weights.read(write_checkpoint(tmp_path / "nano.pth", original))
    family.weights.load(network, tensors, tensors.labels)
    found, expected = network.predict(pixels()), original.predict(pixels())

    for name in ("boxes", "scores"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


def test_what_is_loaded_and_what_is_not_is_said(original, tmp_path, caplog):
    family = MODELS["yolox-nano-seg"]
    network = make(LABELS, family=family)
    path = write_checkpoint(tmp_path / "nano.pth", original)
    with caplog.at_level("INFO"):
        base_weights.load(network, base_weights.resolve(str(path), alpha=None, family=family), family, LABELS)

    layers_of_masks = [layer for layer in network.keras_model.layers if "mask_head" in layer.name and layer.weights]
    assert (
        f"nano.pth: all {len(family.weights.read(path).by_layer)} layers of yolox-nano are loaded; "
        f"{len(layers_of_masks)} layers for masks start from random weights"
    ) in caplog.text


def saved_run(network, model, labels, folder):
    network.keras_model.save_weights(folder / "best.weights.h5")
    config = SimpleNamespace(model=model, labels=tuple(labels), alpha=1.0, aspects=(1.0,), input_size=SIZE)
    return EarlierRun("boxes", config, folder / "best.weights.h5")


def test_a_network_with_masks_starts_from_a_run_without_and_the_other_way_round(tmp_path):
    """The classes of the new run are in another order, and one is new."""
    with_masks = MODELS["yolox-nano-seg"]
    first = make("ab")
    earlier = saved_run(first, NANO.name, "ab", tmp_path)
    network = make("bca", family=with_masks)

    missing = transfer_weights(earlier, NANO, network, "bca")
    (expected, known), found = first.predict(pixels()).values(), network.predict(pixels())

    np.testing.assert_allclose(found["boxes"], expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(found["scores"].numpy()[..., [2, 0]], known, rtol=1e-5, atol=1e-6)
    assert missing
    assert all("mask" in name for name in missing)
    assert notes(earlier, "bca", SIZE, [], model=with_masks.name, missing=missing)[1] == (
        f"all layers of yolox-nano are loaded; {len(missing)} layers of yolox-nano-seg for masks start from random "
        f"weights"
    )

    back = make("bca")
    assert transfer_weights(saved_run(network, with_masks.name, "bca", tmp_path), with_masks, back, "bca") == []
    np.testing.assert_allclose(back.predict(pixels())["boxes"], expected, rtol=1e-5, atol=1e-4)
    assert can_start_from(NANO, with_masks)
    assert not can_start_from(MODELS["yolox-tiny"], with_masks)


@pytest.mark.parametrize("name", ["head.obj_preds.1.bias", "backbone.C3_p4.conv3.bn.running_var", "head.stems.0.bn"])
def test_a_checkpoint_that_lacks_something_is_refused(original, tmp_path, name):
    whole = torch_checkpoint.read(write_checkpoint(tmp_path / "nano.pth", original))
    lacking = {key: values for key, values in whole.items() if not key.startswith(name)}
    assert len(lacking) < len(whole)

    with pytest.raises(TrainingError, match=rf"^less\.pth: no tensor {name}.*; expected one, as yolox-nano trained on"):
        NANO.weights.read(save_model(tmp_path / "less.pth", lacking))


def test_measured_statistics_are_those_of_the_images_and_leave_the_answers(original, tmp_path):
    write_export(tmp_path / "nano.onnx", original)
    network = make(LABELS)
    NANO.weights.load(network, NANO.weights.read(tmp_path / "nano.onnx"), LABELS)
    before = [np.array(part) for part in network.predict(pixels()).values()]
    batch_statistics.measure(network, pixels(images=16))
    after = network.predict(pixels()).values()
    stem = network.backbone.get_layer("backbone.backbone.stem.conv.bn")
    reached = keras.Model(network.backbone.input, stem.input)(pixels(images=16).astype(np.float32)).numpy()

    np.testing.assert_allclose(stem.moving_mean, reached.mean((0, 1, 2)), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(stem.moving_variance, reached.var((0, 1, 2)), rtol=1e-3, atol=1e-3)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-2, rtol=1e-4)


def test_renewed_statistics_are_the_means_over_batches(original):
    network = make(range(80))
    network.keras_model.set_weights(original.keras_model.get_weights())
    stem = network.backbone.get_layer("backbone.backbone.stem.conv.bn")
    momentum, images = stem.momentum, pixels(images=16)
    batch_statistics.renew(network, images)
    reached = keras.Model(network.backbone.input, stem.input)
    means = [reached(images[start : start + 8].astype(np.float32)).numpy().mean((0, 1, 2)) for start in (0, 8)]

    np.testing.assert_allclose(stem.moving_mean, np.mean(means, axis=0), rtol=1e-3, atol=1e-3)
    assert stem.momentum == momentum


def test_a_label_of_coco_starts_from_its_own_class(original, tmp_path):
    write_export(tmp_path / "nano.onnx", original)
    network = make(["bolt", "Person"])
    fresh = network.keras_model.get_layer("head.cls_preds.0").kernel.numpy()
    known = NANO.weights.load(network, NANO.weights.read(tmp_path / "nano.onnx"), ["bolt", "Person"])
    kernel = network.keras_model.get_layer("head.cls_preds.0").kernel.numpy()

    assert known == ["Person"]
    np.testing.assert_array_equal(kernel[..., 0], fresh[..., 0])
    np.testing.assert_array_equal(kernel[..., 1], original.keras_model.get_layer("head.cls_preds.0").kernel[..., 0])


def test_weights_of_another_size_are_refused(original, tmp_path):
    write_export(tmp_path / "nano.onnx", original)

    with pytest.raises(TrainingError, match=r"^nano\.onnx: .*; expected .* Pass the file of yolox-tiny, or another"):
        MODELS["yolox-tiny"].weights.read(tmp_path / "nano.onnx")


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_file(), reason="PREANNOTATE_SHARED has no weights/yolox_nano.onnx")
def test_the_weights_of_coco_give_what_onnx_runtime_gives():
    onnxruntime = pytest.importorskip("onnxruntime")
    tensors = NANO.weights.read(REAL)
    network = make(tensors.labels, (416, 416))
    NANO.weights.load(network, tensors, tensors.labels)
    session = onnxruntime.InferenceSession(REAL)
    for photo in sorted(PHOTOS.rglob("*.jpg"))[:3]:
        image = decode(photo.read_bytes(), (416, 416))
        rgb = Letterbox.fit(image.size, (416, 416)).pixels(image.pixels)
        boxes, scores = (np.array(part[0]) for part in network.predict(rgb[None]).values())
        bgr = rgb[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        theirs = session.run(None, {session.get_inputs()[0].name: bgr})[0][0]
        cells = network.cells
        centre, side = theirs[:, :2] * cells[:, 2:] + cells[:, :2], np.exp(theirs[:, 2:4]) * cells[:, 2:]
        np.testing.assert_allclose(boxes, np.concatenate([centre - side / 2, centre + side / 2], 1), atol=1e-2)
        np.testing.assert_allclose(scores, theirs[:, 4:5] * theirs[:, 5:], atol=1e-4)
        assert scores.max() > 0.2  # of an animal that COCO does not know
