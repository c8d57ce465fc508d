"""The sizes of YOLOX as model families."""

import functools

import keras

from runtime.manifest import MaskKind
from trainer.arguments.defaults import Defaults
from trainer.models.backbone import Backbone
from trainer.models.family import ModelFamily
from trainer.models.yolox import architecture, construction, weights
from trainer.published_weights import MASKS_SUFFIX

# How those with masks make them: prototypes take less time than kernels, on a CPU and in training.
MASK_KIND = MaskKind.PROTOTYPES
# Inputs are as large as in the official training of the small networks.
DEFAULTS = Defaults(
    batch_size=8,
    side=416,
    initial_learning_rate=1e-3,
    initial_learning_rate_from_scratch=1e-3,
    backbone_learning_rate=0.5,
    boxes_for_full_rate=1000,
    weight_decay=0.05,
    frozen_part=0.0,
    freeze=0,
    freeze_statistics=False,
    passes=8_000,
)


def make_family(size: str, when_to_choose: str, mask_kind: MaskKind | None = None) -> ModelFamily:
    """Return the family of a size; all weights of the detector come from COCO, so that its backbone has none alone.

    Layers of masks have no published weights.
    """
    detector = f"yolox-{size}"
    name = detector if mask_kind is None else f"{detector}{MASKS_SUFFIX}"
    factors = architecture.SIZES[size]

    def build_backbone(input_size: tuple[int, int], _: float) -> keras.Model:
        return architecture.build_backbone(factors, input_size)

    return ModelFamily(
        name=name,
        when_to_choose=when_to_choose,
        backbone=Backbone(
            name=f"CSPDarknet of {name}",
            build=build_backbone,
            taps=architecture.TAPS,
            block_ends=architecture.BLOCK_ENDS,
            preprocess=functools.partial(keras.layers.Rescaling, 1.0, name="preprocess"),
        ),
        detector=functools.partial(construction.build, factors, mask_kind=mask_kind),
        defaults=DEFAULTS,
        weights=weights.CocoWeights(detector, factors),
        learns_masks=mask_kind is not None,
        without_masks="" if mask_kind is None else detector,
    )


FAMILIES = (
    make_family("nano", "fast: the default with weights from COCO, and accurate with few images"),
    make_family("tiny", "as yolox-nano, five times as many weights: slower, made to be more accurate"),
    make_family("s", "as yolox-nano, ten times as many weights: a GPU, or patience"),
    make_family("nano", "as yolox-nano, where most objects are annotated with polygons or masks", MASK_KIND),
    make_family("tiny", "as yolox-tiny, where most objects are annotated with polygons or masks", MASK_KIND),
    make_family("s", "as yolox-s, where most objects are annotated with polygons or masks", MASK_KIND),
)
