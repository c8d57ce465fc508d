"""YOLOX: CSPDarknet, a path aggregation network, and decoupled heads without anchors.

Layers have the names of the modules of the official implementation, so that its weights fit by name, and are made in
the order in which it runs them, so that the weights of an ONNX export fit by order.

References: YOLOX, https://arxiv.org/abs/2107.08430; yolox/models in github.com/Megvii-BaseDetection/YOLOX (Apache-2.0).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf
from keras import layers

from trainer.models.batch_norm import BatchNormalization
from trainer.models.yolox.mask_head import YoloxMaskHead

STRIDES = (8, 16, 32)
BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.97
# The layer behind `Focus`; the official input channel of each of ours.
STEM = "backbone.backbone.stem.conv.conv"
STEM_INPUTS = tuple(3 * patch + channel for patch in (0, 2, 1, 3) for channel in (2, 1, 0))
# Modules of the official implementation: its weights have these names.
BACKBONE, NECK, HEAD = "backbone.backbone", "backbone", "head"
# Of layers that the official implementation does not have.
MASK_HEAD = "mask_head"
# Layers with the features of strides 8, 16 and 32, and the layers that end a block, all but the last block's.
TAPS = (f"{BACKBONE}.dark3.1.conv3.act", f"{BACKBONE}.dark4.1.conv3.act", f"{BACKBONE}.dark5.2.conv3.act")
BLOCK_ENDS = (f"{BACKBONE}.stem.conv.act", *(f"{BACKBONE}.dark{number}.1.conv3.act" for number in (2, 3, 4)))
CLASS_LAYERS = tuple(f"{HEAD}.cls_preds.{level}" for level in range(3))
_BASE_CHANNELS = 64
_HEAD_CHANNELS = 256
_MASK_CHANNELS = 128
_TOWER_DEPTH = 2


@dataclass(frozen=True)
class YoloxSize:
    """A size of YOLOX: factors of its depth and width, and whether 3x3 convolutions are depthwise separable."""

    depth: float
    width: float
    depthwise: bool = False

    def channels(self, base: int) -> int:
        """Return the channels of a layer that has `base` at width 1."""
        return int(base * self.width)

    def repeats(self, base: int) -> int:
        """Return how many bottlenecks a stage has that has `base` at depth 1."""
        return max(round(base * self.depth), 1)


SIZES = {
    "nano": YoloxSize(0.33, 0.25, depthwise=True),
    "tiny": YoloxSize(0.33, 0.375),
    "s": YoloxSize(0.33, 0.50),
}


class Focus(layers.Layer):
    """Pixels (B, H, W, C) to (B, H / 2, W / 2, 4 C): each 2x2 patch becomes channels, row by row.

    The official implementation has the columns one after the other, and blue before red, both by strided slices: on a
    CPU these took a sixth of a training step. `STEM_INPUTS` puts the kernel behind it in this order instead.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the patches."""
        return tf.nn.space_to_depth(inputs, 2)

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return half the height and width, and four times the channels."""
        batch, height, width, channels = inputs.shape
        half_height, half_width = (None if side is None else side // 2 for side in (height, width))
        return keras.KerasTensor((batch, half_height, half_width, 4 * channels), dtype=inputs.dtype)


def build_backbone(size: YoloxSize, input_size: tuple[int, int] | tuple[None, None]) -> keras.Model:
    """Return CSPDarknet: pixels float32 RGB in [0, 255], (B, H, W, 3), to features of strides 8, 16 and 32."""
    width, height = input_size
    pixels = keras.Input((height, width, 3), name="rgb")
    return keras.Model(pixels, _Builder(size).backbone(pixels), name="csp_darknet")


def build_detector(
    size: YoloxSize,
    features: Sequence[keras.KerasTensor],
    num_classes: int,
    prior_logit: float,
    mask_head: YoloxMaskHead | None = None,
) -> list[keras.KerasTensor]:
    """Add feature pyramid and heads to the backbone's features.

    Returns:
        Class logits (B, A, K), box values (B, A, 4) and object logits (B, A, 1), of all cells, the finest level first;
        with `mask_head` also what each cell predicts for its mask (B, A, values), and the map (B, h, w, channels).
    """
    builder = _Builder(size)
    pyramid = builder.neck(features)
    outputs = builder.head(pyramid, num_classes, prior_logit, mask_head)
    return outputs if mask_head is None else [*outputs, builder.mask_map(pyramid[0], mask_head.channels)]


def convolutions(size: YoloxSize, num_classes: int) -> list[layers.Layer]:
    """Return layers as those of a network, with random weights: all with a kernel, in the order in which they run.

    It is the order of the official implementation and of its ONNX exports.
    """
    builder = _Builder(size)
    features = builder.backbone(keras.Input((64, 64, 3)))
    builder.head(builder.neck(features), num_classes, 0.0)
    return builder.convolutions


class _Builder:
    """Makes the layers of one size; `convolutions` are those with a kernel, in the order of their creation."""

    def __init__(self, size: YoloxSize) -> None:
        self._size = size
        self.convolutions: list[layers.Layer] = []

    def backbone(self, pixels: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Return features of strides 8, 16 and 32."""
        base = self._size.channels(_BASE_CHANNELS)
        x = Focus(name=f"{BACKBONE}.stem.focus")(pixels)
        x = self._conv(x, base, 3, 1, f"{BACKBONE}.stem.conv")
        features = []
        for number, (factor, repeats) in enumerate(((2, 3), (4, 9), (8, 9), (16, 3)), 2):
            name, last = f"{BACKBONE}.dark{number}", number == 5
            x = self._spatial(x, base * factor, 2, f"{name}.0")
            if last:
                x = self._spatial_pyramid(x, base * factor, f"{name}.1")
            x = self._csp(x, base * factor, repeats, f"{name}.{2 if last else 1}", shortcut=not last)
            features.append(x)
        return features[1:]

    def neck(self, features: Sequence[keras.KerasTensor]) -> list[keras.KerasTensor]:
        """Return the feature pyramid: top down, then bottom up."""
        fine, middle, coarse = features
        channels = [self._size.channels(base) for base in (256, 512, 1024)]
        lateral = self._conv(coarse, channels[1], 1, 1, f"{NECK}.lateral_conv0")
        x = self._merge(layers.UpSampling2D(2, name=f"{NECK}.upsample_0")(lateral), middle, 0)
        x = self._csp(x, channels[1], 3, f"{NECK}.C3_p4")
        reduced = self._conv(x, channels[0], 1, 1, f"{NECK}.reduce_conv1")
        x = self._merge(layers.UpSampling2D(2, name=f"{NECK}.upsample_1")(reduced), fine, 1)
        out_fine = self._csp(x, channels[0], 3, f"{NECK}.C3_p3")
        x = self._merge(self._spatial(out_fine, channels[0], 2, f"{NECK}.bu_conv2"), reduced, 2)
        out_middle = self._csp(x, channels[1], 3, f"{NECK}.C3_n3")
        x = self._merge(self._spatial(out_middle, channels[1], 2, f"{NECK}.bu_conv1"), lateral, 3)
        return [out_fine, out_middle, self._csp(x, channels[2], 3, f"{NECK}.C3_n4")]

    def head(
        self,
        pyramid: Sequence[keras.KerasTensor],
        num_classes: int,
        prior_logit: float,
        mask_head: YoloxMaskHead | None = None,
    ) -> list[keras.KerasTensor]:
        """Return the outputs of `build_detector` but the map."""
        channels = self._size.channels(_HEAD_CHANNELS)
        prior = keras.initializers.Constant(prior_logit)
        outputs: dict[str, list[keras.KerasTensor]] = {"cls": [], "reg": [], "obj": []}
        for level, features in enumerate(pyramid):
            stem = self._conv(features, channels, 1, 1, f"{HEAD}.stems.{level}")
            x = stem
            for number in range(_TOWER_DEPTH):
                x = self._spatial(x, channels, 1, f"{HEAD}.cls_convs.{level}.{number}")
            outputs["cls"].append(self._predict(x, num_classes, prior, f"{HEAD}.cls_preds.{level}"))
            x = stem
            for number in range(_TOWER_DEPTH):
                x = self._spatial(x, channels, 1, f"{HEAD}.reg_convs.{level}.{number}")
            outputs["reg"].append(self._predict(x, 4, "zeros", f"{HEAD}.reg_preds.{level}"))
            outputs["obj"].append(self._predict(x, 1, prior, f"{HEAD}.obj_preds.{level}"))
            if mask_head is not None:
                # From the box tower, as CondInst's controller.
                x = self._spatial(x, channels, 1, f"{MASK_HEAD}.convs.{level}")
                values = self._predict(x, mask_head.values, "zeros", f"{MASK_HEAD}.preds.{level}")
                outputs.setdefault("mask", []).append(layers.Activation(mask_head.activation, dtype="float32")(values))
        return [layers.Concatenate(axis=1, name=f"{HEAD}.{kind}")(levels) for kind, levels in outputs.items()]

    def mask_map(self, fine: keras.KerasTensor, channels: int) -> keras.KerasTensor:
        """Return the map of masks (B, h, w, channels), twice as fine as the finest level of the pyramid."""
        hidden = self._size.channels(_MASK_CHANNELS)
        x = self._spatial(fine, hidden, 1, f"{MASK_HEAD}.map.0")
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{MASK_HEAD}.upsample")(x)
        x = self._spatial(x, hidden, 1, f"{MASK_HEAD}.map.1")
        return self._conv(x, channels, 1, 1, f"{MASK_HEAD}.map.2")

    def _predict(
        self, x: keras.KerasTensor, values: int, bias: keras.initializers.Initializer | str, name: str
    ) -> keras.KerasTensor:
        """Return predictions (B, cells, values), float32 whatever the precision of the features."""
        layer = layers.Conv2D(values, 1, bias_initializer=bias, dtype="float32", name=name)
        self.convolutions.append(layer)
        return layers.Reshape((-1, values), dtype="float32", name=f"{name}.flat")(layer(x))

    def _merge(self, left: keras.KerasTensor, right: keras.KerasTensor, number: int) -> keras.KerasTensor:
        return layers.Concatenate(name=f"{NECK}.concat_{number}")([left, right])

    def _conv(
        self, x: keras.KerasTensor, channels: int, kernel: int, stride: int, name: str, *, depthwise: bool = False
    ) -> keras.KerasTensor:
        """Add a convolution, batch normalisation and SiLU; padded on both sides alike, as PyTorch does."""
        padding = "same"
        if stride > 1:
            x, padding = layers.ZeroPadding2D(kernel // 2, name=f"{name}.pad")(x), "valid"
        options = {"strides": stride, "padding": padding, "use_bias": False, "name": f"{name}.conv"}
        layer = layers.DepthwiseConv2D(kernel, **options) if depthwise else layers.Conv2D(channels, kernel, **options)
        self.convolutions.append(layer)
        x = layer(x)
        x = BatchNormalization(epsilon=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM, name=f"{name}.bn")(x)
        return layers.Activation("silu", name=f"{name}.act")(x)

    def _spatial(self, x: keras.KerasTensor, channels: int, stride: int, name: str) -> keras.KerasTensor:
        """Add a 3x3 convolution: depthwise and pointwise in the smallest size."""
        if not self._size.depthwise:
            return self._conv(x, channels, 3, stride, name)
        x = self._conv(x, channels, 3, stride, f"{name}.dconv", depthwise=True)
        return self._conv(x, channels, 1, 1, f"{name}.pconv")

    def _csp(
        self, x: keras.KerasTensor, channels: int, repeats: int, name: str, *, shortcut: bool = False
    ) -> keras.KerasTensor:
        """Add a cross stage partial block: half of the channels go through bottlenecks, the other half past them."""
        hidden = channels // 2
        y = self._conv(x, hidden, 1, 1, f"{name}.conv1")
        beside = self._conv(x, hidden, 1, 1, f"{name}.conv2")
        for number in range(self._size.repeats(repeats)):
            before = y
            y = self._conv(y, hidden, 1, 1, f"{name}.m.{number}.conv1")
            y = self._spatial(y, hidden, 1, f"{name}.m.{number}.conv2")
            if shortcut:
                y = layers.Add(name=f"{name}.m.{number}.add")([y, before])
        y = layers.Concatenate(name=f"{name}.concat")([y, beside])
        return self._conv(y, channels, 1, 1, f"{name}.conv3")

    def _spatial_pyramid(self, x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
        """Add pooling over three windows, side by side."""
        x = self._conv(x, x.shape[-1] // 2, 1, 1, f"{name}.conv1")
        pooled = [layers.MaxPooling2D(window, 1, "same", name=f"{name}.pool{window}")(x) for window in (5, 9, 13)]
        x = layers.Concatenate(name=f"{name}.concat")([x, *pooled])
        return self._conv(x, channels, 1, 1, f"{name}.conv2")
