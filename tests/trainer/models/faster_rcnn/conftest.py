"""A family with a backbone of a few thousand weights: the two stages are real, and everything takes seconds."""

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


@pytest.fixture(scope="package")
def family():
    backbone = Backbone(
        name="Tiny",
        build=build_backbone,
        taps=("stride_8", "stride_16", "stride_32"),
        block_starts=("stride_4", "stride_8", "stride_16", "stride_32"),
        alpha_by_kernel={},
        pretrained={},
    )
    return ModelFamily(
        name="frcnn-tiny", when_to_choose="in tests", backbone=backbone, detector=faster_rcnn.build, defaults=Defaults()
    )


@pytest.fixture(scope="package")
def network(family):
    """Three classes, two anchor shapes, not square: mistakes in the order of axes or anchors would show."""
    keras.utils.set_random_seed(0)
    backbone = family.build_backbone(input_size=SIZE, alpha=1.0)
    return family.build(num_classes=3, input_size=SIZE, aspects=(0.5, 2.0), backbone=backbone)
