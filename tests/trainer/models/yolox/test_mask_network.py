import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from runtime import mask_composition
from runtime.engines import MASK_OUTPUTS
from runtime.letterbox import Letterbox
from runtime.manifest import MaskKind
from runtime.masks import InstanceMask
from trainer.assigner import IGNORED
from trainer.models import MODELS
from trainer.models.yolox import architecture, construction
from trainer.models.yolox.mask_head import STRIDE, YoloxMaskHead, _locations
from trainer.models.yolox.mask_network import MAX_CELLS, MAX_MASKS, NO_MASK, mask_losses
from trainer.models.yolox.network import MAX_BOXES
from trainer.placed_masks import PlacedMask

SIZE = (96, 64)
MAP = (16, 24)
KINDS = [MaskKind.PROTOTYPES, MaskKind.KERNELS]
BOX = [10.0, 12, 50, 44]


def make(kind):
    keras.utils.set_random_seed(0)
    detector = functools.partial(construction.build, architecture.SIZES["nano"], mask_kind=kind)
    family = dataclasses.replace(MODELS["yolox-nano"], detector=detector)
    backbone = family.build_backbone(input_size=SIZE, alpha=1.0)
    return family.build(num_classes=2, input_size=SIZE, aspects=(1.0,), backbone=backbone)


@pytest.fixture(scope="module", params=KINDS)
def network(request):
    return make(request.param)


@pytest.fixture(scope="module")
def prototypes():
    return make(MaskKind.PROTOTYPES)


def mask_of(cells):
    """Return a mask of these cells (h, w) of the map."""
    return PlacedMask.as_it_is(InstanceMask.from_bitmap(np.kron(cells, np.ones((STRIDE, STRIDE)))), SIZE)


def masks(count, known=True):
    cells = np.zeros(MAP, np.uint8)
    cells[4:9, 3:12] = 1
    return (mask_of(cells) if known else None,) * count


def batch(network, boxes, classes, gt_masks):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, SIZE[1], SIZE[0], 3), np.uint8)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    targets = network.targets_with_masks(boxes, np.array(classes, np.int64), gt_masks, rng)
    return {
        "pixels": tf.constant(pixels),
        "closing": tf.constant(0.0),
        **{name: tf.constant(array[None]) for name, array in targets.items()},
    }


def test_the_outputs_are_those_of_the_contract(network):
    outputs = network.predict(tf.zeros((2, SIZE[1], SIZE[0], 3), tf.uint8))
    head = network.mask_head

    assert tuple(outputs) == ("boxes", "scores", *MASK_OUTPUTS[head.kind])
    of_cells, of_map, *places = (outputs[name] for name in MASK_OUTPUTS[head.kind])
    assert of_cells.shape == (2, len(network.cells), network.head.values)
    assert of_map.shape == (2, *MAP, network.head.channels)
    assert [place.shape for place in places] == [(2, len(network.cells), 3)] * len(places)


def test_of_thousands_of_objects_only_those_are_drawn_that_count(prototypes, monkeypatch):
    """Each may be as large as the map."""
    drawn = []
    render = PlacedMask.render
    monkeypatch.setattr(PlacedMask, "render", lambda self, *size: drawn.append(self) or render(self, *size))
    count = MAX_BOXES + 50
    made = batch(prototypes, [BOX] * count, [0] * count, masks(count))

    assert len(drawn) == MAX_BOXES
    assert (made["gt_mask_rows"].numpy() > NO_MASK).sum() == MAX_MASKS


@pytest.mark.parametrize("kind", KINDS)
def test_training_and_runtime_make_the_same_masks(kind):
    head, rng = YoloxMaskHead(kind), np.random.default_rng(0)
    cells = np.array([[[8.0, 16, 8], [32, 32, 32], [0, 0, 16]]], np.float32)
    values = rng.normal(size=(1, 3, head.values)).astype(np.float32)
    feature_map = rng.normal(size=(1, *MAP, head.channels)).astype(np.float32)
    mine = tf.sigmoid(head.logits(*map(tf.constant, (values, feature_map, cells)))).numpy().reshape(3, *MAP)
    outputs = {name: np.array(part[0]) for name, part in head.outputs(values, feature_map, cells[0]).items()}
    compose = mask_composition._prototypes if kind is MaskKind.PROTOTYPES else mask_composition._kernels
    probabilities = compose(outputs, Letterbox.fit(SIZE, SIZE), head.manifest)

    for row in range(3):
        np.testing.assert_allclose(probabilities(row, (0, 0, MAP[1], MAP[0])), mine[row], atol=1e-4)


def test_locations_are_the_centres_of_the_cells():
    np.testing.assert_array_equal(_locations(tf.constant([[8.0, 16, 8]])), [[12, 20, 64]])


def test_a_mask_is_learnt_and_reaches_all_layers_of_masks(network):
    one = batch(network, [BOX], [0], masks(1))
    variables = [value for value in network.keras_model.trainable_variables if "mask_head" in value.path]
    with tf.GradientTape() as tape:
        loss = network.losses(one)["mask_loss"]
    gradients = tape.gradient(loss.total, [value.value for value in variables])

    assert 0 < float(loss.count) <= MAX_CELLS
    assert float(loss.total) > 0
    assert float(network.losses(one)["mask_loss"].total) == float(loss.total)
    reached = [value.path for value, gradient in zip(variables, gradients, strict=True) if gradient is not None]
    assert {path.split("/")[0] for path in reached} >= {"mask_head.map.2.conv", "mask_head.map.0.pconv.conv"}
    assert any(float(tf.norm(gradient)) > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("boxes", "classes", "gt_masks"),
    [([], [], masks(0)), ([BOX], [0], masks(1, known=False)), ([BOX], [IGNORED], masks(1))],
)
def test_what_has_no_mask_teaches_none(prototypes, boxes, classes, gt_masks):
    loss = prototypes.losses(batch(prototypes, boxes, classes, gt_masks))["mask_loss"]

    assert (float(loss.total), float(loss.count)) == (0, 0)


def test_a_box_without_a_mask_still_teaches_the_box(prototypes):
    with_mask, without = (
        prototypes.losses(batch(prototypes, [BOX], [0], masks(1, known=known))) for known in (True, False)
    )

    for name in ("class_loss", "box_loss", "object_loss"):
        assert float(with_mask[name].total) == pytest.approx(float(without[name].total), rel=1e-5)


def test_targets_are_as_declared_with_masks_and_without(prototypes):
    boxes, classes = np.array([BOX], np.float32), np.array([0])
    rng = np.random.default_rng(0)
    for made in (
        prototypes.targets(boxes, classes, rng),
        prototypes.targets_with_masks(boxes, classes, masks(1), rng),
    ):
        assert {name: (array.shape, array.dtype) for name, array in made.items()} == {
            name: (tuple(spec.shape), spec.dtype.as_numpy_dtype) for name, spec in prototypes.target_spec.items()
        }


def test_of_many_masks_some_are_drawn_and_stay_with_their_boxes(prototypes):
    count = MAX_BOXES + 20
    boxes = np.tile(np.array([BOX], np.float32), (count, 1))
    boxes[:, 2] = 20 + np.arange(count) / 8
    cells = np.eye(count, MAP[0] * MAP[1], dtype=np.uint8).reshape(count, *MAP)
    given = tuple(None if number % 2 else mask_of(one) for number, one in enumerate(cells))
    made = prototypes.targets_with_masks(boxes, np.zeros(count, np.int64), given, np.random.default_rng(0))
    rows = made["gt_mask_rows"]
    drawn = np.flatnonzero(rows > NO_MASK)

    assert sorted(rows[drawn]) == list(range(MAX_MASKS))
    for place in drawn:
        number = round((made["gt_boxes"][place, 2] - 20) * 8)
        assert number % 2 == 0
        np.testing.assert_array_equal(made["gt_masks"][rows[place]], cells[number])


def test_a_perfect_mask_costs_nothing_whatever_lies_away_from_the_box():
    wanted = tf.constant([[[1.0, 1, 0, 0]]])
    near = tf.constant([[[1.0, 1, 1, 0]]])

    assert float(mask_losses(tf.constant([[[30.0, 30, -30, 30]]]), wanted, near)[0, 0]) == pytest.approx(0, abs=1e-4)
    assert float(mask_losses(tf.constant([[[-30.0, -30, 30, 30]]]), wanted, near)[0, 0]) == pytest.approx(31, abs=1e-3)


def test_box_masks_are_none_of_its_ways():
    with pytest.raises(ValueError, match="mask_kind=box_masks; expected prototypes or kernels"):
        YoloxMaskHead(MaskKind.BOX_MASKS)


@pytest.mark.parametrize("kind", KINDS)
def test_two_objects_learn_their_own_masks_from_one_map(kind):
    head, rng = YoloxMaskHead(kind), np.random.default_rng(0)
    cells = tf.constant([[[24.0, 24, 8], [64, 32, 8]]])
    values = tf.Variable(rng.normal(size=(1, 2, head.values)).astype(np.float32) / 2)
    feature_map = tf.Variable(rng.normal(size=(1, *MAP, head.channels)).astype(np.float32) / 2)
    wanted = np.zeros((1, 2, *MAP), np.float32)
    wanted[0, 0, 3:9, 4:10] = wanted[0, 1, 5:12, 14:19] = 1
    wanted = tf.reshape(tf.constant(wanted), (1, 2, -1))
    optimizer = keras.optimizers.Adam(0.05)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            logits = head.logits(values, feature_map, cells)
            loss = tf.reduce_sum(mask_losses(logits, wanted, tf.ones_like(wanted)))
        optimizer.apply_gradients(zip(tape.gradient(loss, [values, feature_map]), (values, feature_map), strict=True))
        return logits

    for _ in range(150):
        found = step() > 0

    assert (found.numpy() == (wanted.numpy() > 0)).mean() > 0.98
    assert (found.numpy() & (wanted.numpy() > 0)).sum() > 0.9 * wanted.numpy().sum()
