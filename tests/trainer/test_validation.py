"""Validation and export of networks, with masks and without, that find one object, the same in each input."""

from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from preannotate.synthetic import write_export
from runtime import engines
from runtime.manifest import MaskHead, MaskKind, Tiles
from runtime.masks import InstanceMask
from trainer import export
from trainer.datasets import Sample, load_dataset
from trainer.models.network import Network
from trainer.validation import KerasEngine, Validator

SIZE = (96, 64)
# Cells of four input pixels.
MAP = (16, 24)
BOX = (8.0, 16.0, 40.0, 48.0)


@dataclass(frozen=True)
class OneObject(Network):
    """Finds a triangle in the box `BOX`."""

    head: MaskHead | None = None

    target_spec = None

    @property
    def mask_head(self):
        return self.head

    def targets(self, gt_boxes, gt_classes, rng):
        raise NotImplementedError

    def losses(self, batch):
        raise NotImplementedError

    def predict(self, pixels):
        of_image = self.keras_model(pixels, training=False)[:, :, None] * 0
        found = {"boxes": of_image + tf.constant([[BOX]]), "scores": of_image + tf.constant([[[0.9]]])}
        if self.head is None:
            return found
        prototypes = tf.where(triangle(), 10.0, -10.0)[None, ..., None]
        return found | {"mask_coefficients": of_image + 1, "prototypes": of_image[..., None] + prototypes}


def triangle():
    y, x = np.mgrid[: MAP[0], : MAP[1]]
    return (x - 2 <= y - 4) & (x >= 2) & (y >= 4) & (y < 12)


def make(head):
    pixels = keras.Input((SIZE[1], SIZE[0], 3), dtype="uint8")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(pixels))
    model = keras.Model(pixels, keras.layers.Dense(1)(mean))
    return OneObject(model, model, (), SIZE, 1, (), head)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    (one,) = load_dataset([write_export(folder / "export", 1, seed=1, size=SIZE, masks=True)], folder / "store").samples
    bitmap = triangle().repeat(4, axis=0).repeat(4, axis=1)
    return replace(
        one,
        boxes=np.array([BOX], np.float32),
        class_ids=np.array([0]),
        masks=(InstanceMask.from_bitmap(bitmap),),
    )


HEAD = MaskHead(MaskKind.PROTOTYPES)


def test_masks_are_scored_beside_boxes_and_decide(sample):
    scores = Validator([sample], ["thing"], make(HEAD), "one").scores()

    assert scores.boxes.mean_ap == pytest.approx(1)
    assert scores.masks.map50 == pytest.approx(1)
    assert scores.masks.mean_ap > 0.7
    assert scores.decisive is scores.masks


def test_a_mask_of_another_shape_is_wrong_although_its_box_is_right(sample):
    other = InstanceMask.from_bitmap(~sample.masks[0].bitmap, sample.masks[0].left, sample.masks[0].top)
    scores = Validator([replace(sample, masks=(other,))], ["thing"], make(HEAD), "one").scores()

    assert scores.boxes.mean_ap == pytest.approx(1)
    assert scores.decisive.map50 == 0


@pytest.mark.parametrize(("head", "masks"), [(None, ()), (HEAD, ()), (HEAD, (None,))])
def test_boxes_decide_where_there_are_no_masks(sample, head, masks):
    scores = Validator([replace(sample, masks=masks)], ["thing"], make(head), "one").scores()

    assert scores.masks is None
    assert scores.decisive is scores.boxes


@pytest.mark.parametrize(("label_type", "has_mask"), [("mask", True), ("polygon", True), ("rectangle", False)])
def test_a_label_that_is_answered_with_rectangles_has_no_masks(sample, label_type, has_mask):
    (found,) = Validator([sample], ["thing"], make(HEAD), "one", label_types=[label_type]).detections()

    assert [one.mask is not None for one in found] == [has_mask]


@pytest.mark.parametrize("head", [None, HEAD])
def test_the_exported_graph_has_the_outputs_of_the_network(tmp_path, head):
    network = make(head)
    export.save_graph(network, tmp_path / "saved_model")
    pixels = np.zeros((2, SIZE[1], SIZE[0], 3), np.uint8)
    found = engines.load("tensorflow", tmp_path).run(pixels)
    expected = KerasEngine(network).run(pixels)

    assert set(found) == set(expected) == {"boxes", "scores", *(("mask_coefficients", "prototypes") if head else ())}
    for name, output in expected.items():
        np.testing.assert_allclose(found[name], output)


def test_boxes_decide_for_a_label_that_is_answered_with_rectangles(sample):
    scores = Validator([sample], ["thing"], make(HEAD), "one", label_types=["rectangle"]).scores()

    assert scores.masks is None
    assert scores.decisive.mean_ap == pytest.approx(1)


class SameEverywhere:
    """One object of 20 pixels in each input, 10 pixels from its corner."""

    input_size, iou_threshold, mask_head = (96, 96), 0.5, None

    def predict(self, pixels):
        return {"boxes": tf.constant([[[10.0, 10.0, 30.0, 30.0]]]), "scores": tf.constant([[[0.9]]])}


@pytest.fixture
def validator(tmp_path):
    samples = []
    for name, side in (("large", 432), ("small", 96)):
        path = tmp_path / f"{name}.png"
        Image.new("RGB", (side, side)).save(path)
        boxes = np.zeros((0, 4), np.float32)
        samples.append(Sample(path.name, path, name, (side, side), boxes, np.zeros(0, int), ""))
    return Validator(samples, ("x",), SameEverywhere(), "same")


def test_large_images_are_seen_in_tiles_too(validator):
    """432 pixels are 96 in the whole, 173 in two tiles a side: they begin at 0 and 77."""
    found, milliseconds = validator.timed_detections(Tiles(2))

    assert [len(of_image) for of_image in found] == [5, 1]
    corners = sorted({round(one.box[0]) for one in found[0]})
    assert corners == pytest.approx([25, 45, 217], abs=1)  # 10 * 432 / 173, 10 * 432 / 96, 87 * 432 / 173
    assert milliseconds > 0


def test_without_tiles_it_is_the_usual_validation(validator):
    assert validator.timed_detections(None)[0] == validator.detections()
    assert [len(of_image) for of_image in validator.detections()] == [1, 1]
