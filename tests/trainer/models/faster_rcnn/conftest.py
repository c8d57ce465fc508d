"""Families with a backbone of a few thousand weights: all stages are real, and everything takes seconds."""

import keras
import pytest

from trainer.arguments.defaults import Defaults
from trainer.models import faster_rcnn
from trainer.models.backbone import Backbone
from trainer.models.family import ModelFamily

SIZE = (128, 96)


def build_backbone(input_size, _alpha):
    x = pixels = keras.Input((input_size[1], input_size[0], 3))
    for stride, filters in ((4, 8), (8, 16), (16, 24), (32, 32)):
        step = 4 if stride == 4 else 2
        x = keras.layers.Conv2D(filters, step, step, activation="relu", name=f"stride_{stride}")(x)
    return keras.Model(pixels, x)


def make_family(name, **options):
    backbone = Backbone(
        name="Tiny",
        build=build_backbone,
        taps=("stride_8", "stride_16", "stride_32"),
        block_starts=("stride_4", "stride_8", "stride_16", "stride_32"),
        alpha_by_kernel={},
        pretrained={},
    )
    return ModelFamily(name=name, when_to_choose="in tests", backbone=backbone, defaults=Defaults(), **options)


def make_network(family):
    """Three classes, two anchor shapes, not square: mistakes in the order of axes or anchors would show."""
    keras.utils.set_random_seed(0)
    backbone = family.build_backbone(input_size=SIZE, alpha=1.0)
    return family.build(num_classes=3, input_size=SIZE, aspects=(0.5, 2.0), backbone=backbone)


@pytest.fixture(scope="package")
def family():
    return make_family("frcnn-tiny", detector=faster_rcnn.build)


@pytest.fixture(scope="package")
def mask_family():
    return make_family("mask-rcnn-tiny", detector=faster_rcnn.build_with_masks, learns_masks=True)


@pytest.fixture(scope="package")
def network(family):
    return make_network(family)


@pytest.fixture(scope="package")
def mask_network(mask_family):
    return make_network(mask_family)
