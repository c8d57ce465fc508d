"""SSD on MobileNetV2: depthwise separable heads on a light feature pyramid, strides 8 to 64.

The heads share their convolutions over the levels and have batch statistics of their own on each: with
few training images a level alone sees too few objects to learn its own filters.

References: SSD, https://arxiv.org/abs/1512.02325; SSDLite and MobileNetV2, https://arxiv.org/abs/1801.04381;
feature pyramid, https://arxiv.org/abs/1612.03144; shared heads with own statistics: RTMDet, section 3.2,
https://arxiv.org/abs/2212.07784.
"""

import math
from collections.abc import Sequence

import keras
from keras import layers

from trainer import anchors
from trainer.models.batch_norm import BatchNormalization, with_fused_batch_norm
from trainer.models.network import Network

NAME = "ssd-mobilenet-v2"
STRIDES = (8, 16, 32, 64)
# Last feature map of each stride; the first two lie inside an inverted residual, where it is widest.
TAPS = ("block_6_expand_relu", "block_13_expand_relu", "out_relu")
# The stem and the first bottleneck, the sixteen others, and the last convolution.
BLOCK_STARTS = ("Conv1", *(f"block_{number}_expand" for number in range(1, 17)), "Conv_1")
CHANNELS = 96
TOWER_DEPTH = 2
# Score of every anchor before training: without it the many negatives swamp the first steps.
# Focal loss, section 3.3, https://arxiv.org/abs/1708.02002.
PRIOR = 0.01
# Keras's default 0.99 needs hundreds of steps to follow; a small dataset has not so many.
BATCH_NORM_MOMENTUM = 0.9


def build(*, num_classes: int, input_size: tuple[int, int], aspects: Sequence[float], backbone: keras.Model) -> Network:
    """Build the network on a backbone.

    Args:
        num_classes: K, at least 1.
        input_size: (width, height), multiples of 32.
        aspects: Anchor shapes of a cell, width / height.
        backbone: From `build_backbone` with the same size.

    """
    width, height = input_size
    features = keras.Model(backbone.input, [backbone.get_layer(tap).output for tap in TAPS], name="features")
    pixels = keras.Input((height, width, 3), dtype="uint8", name="pixels")
    scaled = layers.Rescaling(1 / 127.5, offset=-1, name="preprocess")(pixels)
    levels = _pyramid(features(scaled))
    per_cell = len(aspects)
    prior_logit = -math.log((1 - PRIOR) / PRIOR)
    logits = _head("class", levels, per_cell, num_classes, keras.initializers.Constant(prior_logit))
    deltas = _head("box", levels, per_cell, 4, "zeros")
    boxes, box_levels = anchors.generate(input_size, STRIDES, aspects)
    return Network(
        keras_model=keras.Model(pixels, [logits, deltas], name="ssd"),
        backbone=backbone,
        block_starts=BLOCK_STARTS,
        anchors=boxes,
        anchor_levels=box_levels,
        input_size=(width, height),
        num_classes=num_classes,
    )


def build_backbone(*, input_size: tuple[int, int], alpha: float) -> keras.Model:
    """MobileNetV2 with random weights, `alpha` times as wide as the original."""
    backbone = keras.applications.MobileNetV2(
        input_shape=(input_size[1], input_size[0], 3), alpha=alpha, include_top=False, weights=None
    )
    return with_fused_batch_norm(backbone)


def _pyramid(taps: Sequence[keras.KerasTensor]) -> list[keras.KerasTensor]:
    """Feature maps of strides 8, 16, 32 to as many of `CHANNELS` channels, and stride 64."""
    lateral = [layers.Conv2D(CHANNELS, 1, name=f"lateral_{i}")(tap) for i, tap in enumerate(taps)]
    merged = [lateral[-1]]
    for i in reversed(range(len(lateral) - 1)):
        above = layers.UpSampling2D(2, name=f"upsample_{i}")(merged[0])
        merged.insert(0, layers.Add(name=f"merge_{i}")([lateral[i], above]))
    coarsest = layers.SeparableConv2D(CHANNELS, 3, 2, padding="same", name="coarsest")(merged[-1])
    return [*merged, coarsest]


def _head(
    name: str,
    levels: Sequence[keras.KerasTensor],
    per_cell: int,
    values: int,
    bias_initializer: keras.initializers.Initializer | str,
) -> keras.KerasTensor:
    """Predictions (B, A, values) of all levels, in the order of `anchors.generate`."""
    tower = [
        layers.SeparableConv2D(CHANNELS, 3, padding="same", use_bias=False, name=f"{name}_tower_{i}")
        for i in range(TOWER_DEPTH)
    ]
    predictor = layers.SeparableConv2D(
        per_cell * values,
        3,
        padding="same",
        pointwise_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=bias_initializer,
        name=f"{name}_predictor",
    )
    outputs = []
    for level, x in enumerate(levels):
        for i, convolution in enumerate(tower):
            x = convolution(x)
            x = BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm_{level}_{i}")(x)
            x = layers.ReLU(6.0, name=f"{name}_relu_{level}_{i}")(x)
        outputs.append(layers.Reshape((-1, values), name=f"{name}_flat_{level}")(predictor(x)))
    return layers.Concatenate(axis=1, name=name)(outputs)
