"""The layers of both stages: feature pyramid, the first stage's head, the second stage, and that of masks.

Small beside those of the reference (128 channels for 256, 512 hidden units for 1024, 64 channels of masks for 256): a
few hundred photos do not fill more, and a CPU has to serve them. What comes out is float32 even if the layers before
compute with 16 bits: in half precision a box could not lie anywhere within a large input.
"""

import math
from collections.abc import Sequence

import keras
from keras import layers

from trainer.models.backbone import merge_levels

CHANNELS = 128
HIDDEN = 512
# Of masks: channels, bins of RoIAlign along a side, and cells of a mask along a side.
MASK_CHANNELS, MASK_BINS, MASK_SIDE = 64, 14, 28
# Score of every anchor and proposal before training: most of what is drawn is background.
PRIOR = 0.1


def pyramid(taps: Sequence[keras.KerasTensor]) -> list[keras.KerasTensor]:
    """Return feature maps of strides 8, 16, 32 as equally many of `CHANNELS` channels, and stride 64."""
    merged = merge_levels(taps, CHANNELS)
    levels = [layers.Conv2D(CHANNELS, 3, padding="same", name=f"level_{i}")(x) for i, x in enumerate(merged)]
    return [*levels, layers.MaxPooling2D(1, 2, padding="same", name="coarsest")(levels[-1])]


def first_stage(levels: Sequence[keras.KerasTensor], per_cell: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return logits of "here is an object" (B, A) and deltas (B, A, 4), in the order of `anchors.generate`."""
    shared = layers.Conv2D(CHANNELS, 3, padding="same", activation="relu", name="rpn")
    objectness = layers.Conv2D(
        per_cell, 1, bias_initializer=_prior(), kernel_initializer=_small(), dtype="float32", name="objectness"
    )
    deltas = layers.Conv2D(per_cell * 4, 1, kernel_initializer=_small(), dtype="float32", name="anchor_deltas")
    hidden = [shared(level) for level in levels]
    return (
        _joined([objectness(x) for x in hidden], (-1,), "all_objectness"),
        _joined([deltas(x) for x in hidden], (-1, 4), "all_anchor_deltas"),
    )


def second_stage(crops: keras.KerasTensor, num_classes: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return class logits (B, N, K) and deltas (B, N, 4), the same for all classes, from the features in N boxes."""
    hidden = crops
    for i in range(2):
        hidden = layers.Dense(HIDDEN, activation="relu", name=f"roi_hidden_{i}")(hidden)
    classes = layers.Dense(
        num_classes, bias_initializer=_prior(), kernel_initializer=_small(), dtype="float32", name="class_predictor"
    )(hidden)
    deltas = layers.Dense(4, kernel_initializer=_small(0.001), dtype="float32", name="box_predictor")(hidden)
    return classes, deltas


def mask_stage(crops: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    """Return mask logits (R, MASK_SIDE, MASK_SIDE, K) from the features in boxes (R, MASK_BINS, MASK_BINS, C)."""
    hidden = crops
    for i in range(4):
        convolution = layers.Conv2D(
            MASK_CHANNELS, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"mask_hidden_{i}"
        )
        hidden = convolution(hidden)
    hidden = layers.Conv2DTranspose(
        MASK_CHANNELS, 2, 2, activation="relu", kernel_initializer="he_normal", name="mask_upsample"
    )(hidden)
    return layers.Conv2D(num_classes, 1, kernel_initializer=_small(0.001), dtype="float32", name="mask_predictor")(
        hidden
    )


def _joined(levels: Sequence[keras.KerasTensor], shape: tuple[int, ...], name: str) -> keras.KerasTensor:
    flat = [layers.Reshape(shape, dtype="float32", name=f"{name}_{i}")(x) for i, x in enumerate(levels)]
    return layers.Concatenate(axis=1, dtype="float32", name=name)(flat)


def _prior() -> keras.initializers.Initializer:
    return keras.initializers.Constant(-math.log((1 - PRIOR) / PRIOR))


def _small(stddev: float = 0.01) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=stddev)
