"""Weights of YOLOX trained on COCO: official checkpoints (`.pth`) by name, ONNX exports by order.

An export has the statistics of batch normalisation folded into its convolutions. A layer then gets the values that
give the same answers at rest: mean 0, variance 1, and as scale and offset what cancels the division.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from keras import layers

from trainer import onnx_weights, published_weights, torch_checkpoint
from trainer.coco_classes import COCO_CLASSES, coco_class_ids
from trainer.errors import TrainingError
from trainer.models.detector_weights import DetectorTensors, DetectorWeights
from trainer.models.network import Network
from trainer.models.yolox import architecture
from trainer.models.yolox.architecture import BATCH_NORM_EPSILON, CLASS_LAYERS, STEM, STEM_INPUTS, YoloxSize

COCO = "coco"
_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


class CocoWeights(DetectorWeights):
    """Weights of one size; see `DetectorWeights`."""

    names = (COCO,)

    def __init__(self, model: str, size: YoloxSize) -> None:
        self._model = model
        self._size = size

    def is_here(self) -> bool:
        """See `DetectorWeights.is_here`."""
        return published_weights.find(self._model) is not None

    def find(self, base_model: str) -> Path | None:
        """See `DetectorWeights.find`."""
        return published_weights.find_or_fetch(self._model, self.read)

    def read(self, path: Path) -> DetectorTensors:
        """See `DetectorWeights.read`."""
        expected = architecture.convolutions(self._size, len(COCO_CLASSES))
        if path.suffix.lower() == ".onnx":
            return DetectorTensors(self._from_export(path, expected), COCO_CLASSES, folded=True)
        return DetectorTensors(self._from_checkpoint(path, expected), COCO_CLASSES, folded=False)

    def load(self, network: Network, tensors: DetectorTensors, labels: Sequence[str]) -> list[str]:
        """See `DetectorWeights.load`."""
        known = coco_class_ids(labels)
        here = {layer.name: layer for layer in (*network.backbone.layers, *network.keras_model.layers)}
        for name, arrays in tensors.by_layer.items():
            layer = here[name]
            if name in CLASS_LAYERS:
                arrays = [_of_classes(new, old, known) for new, old in zip(layer.get_weights(), arrays, strict=True)]
            layer.set_weights(arrays)
        return [labels[index] for index in sorted(known)]

    def _from_export(self, path: Path, expected: Sequence[layers.Layer]) -> dict[str, list[np.ndarray]]:
        found = onnx_weights.read_convolutions(path)
        if len(found) != len(expected):
            raise self._misfit(path, f"{len(found)} convolutions", f"{len(expected)}")
        arrays = {}
        for layer, convolution in zip(expected, found, strict=True):
            kernel = self._kernel(path, layer, convolution.kernel)
            bias = np.zeros(len(convolution.kernel), np.float32) if convolution.bias is None else convolution.bias
            if layer.use_bias:
                arrays[layer.name] = [kernel, bias]
                continue
            arrays[layer.name] = [kernel]
            ones, zeros = np.ones_like(bias), np.zeros_like(bias)
            arrays[_norm(layer)] = [ones * math.sqrt(1 + BATCH_NORM_EPSILON), bias, zeros, ones]
        return arrays

    def _from_checkpoint(self, path: Path, expected: Sequence[layers.Layer]) -> dict[str, list[np.ndarray]]:
        tensors = torch_checkpoint.read(path)
        arrays = {}
        for layer in expected:
            weight = self._tensor(path, tensors, f"{layer.name}.weight")
            kernel, channels = self._kernel(path, layer, weight), len(weight)
            if layer.use_bias:
                arrays[layer.name] = [kernel, self._vector(path, tensors, f"{layer.name}.bias", channels)]
                continue
            norm = _norm(layer)
            arrays[layer.name] = [kernel]
            arrays[norm] = [self._vector(path, tensors, f"{norm}.{name}", channels) for name in _NORM_TENSORS]
        return arrays

    def _tensor(self, path: Path, tensors: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        if name not in tensors:
            raise self._misfit(path, f"no tensor {name}", "one")
        return tensors[name]

    def _vector(self, path: Path, tensors: Mapping[str, np.ndarray], name: str, channels: int) -> np.ndarray:
        values = self._tensor(path, tensors, name)
        if values.shape != (channels,):
            raise self._misfit(path, f"{name} of shape {values.shape}", f"({channels},)")
        return values

    def _kernel(self, path: Path, layer: layers.Layer, kernel: np.ndarray) -> np.ndarray:
        """Return a kernel (out, in, H, W), or (C, 1, H, W) of a depthwise layer, as Keras has it."""
        axes = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
        if kernel.ndim != 4 or kernel.transpose(axes).shape != layer.kernel.shape:
            raise self._misfit(path, f"{layer.name} with a kernel of shape {kernel.shape}", "another shape")
        kernel = kernel.transpose(axes)
        return kernel[:, :, STEM_INPUTS] if layer.name == STEM else kernel

    def _misfit(self, path: Path, found: str, expected: str) -> TrainingError:
        return TrainingError(
            f"{path.name}: {found}; expected {expected}, as {self._model} trained on COCO has. "
            f"Pass the file of {self._model}, or another --model."
        )


def _norm(layer: layers.Layer) -> str:
    """Return the name of the batch normalisation that follows a convolution."""
    return f"{layer.name.removesuffix('.conv')}.bn"


def _of_classes(new: np.ndarray, old: np.ndarray, known: Mapping[int, int]) -> np.ndarray:
    """Return `new` with the last axis of `old` where a class is known: index here to index there."""
    result = new.copy()
    for here, there in known.items():
        result[..., here] = old[..., there]
    return result
