"""Statistics of batch normalisation, measured on some images before a training or after it.

Before, for weights that have them folded into their convolutions. Such weights are right at rest, with mean 0 and
variance 1 in the place of statistics, but the first batch statistics of a training would destroy them. Measured with
scale and offset that give the same answers as before, they let training begin where the weights are.

After, since the moving statistics lag behind the averaged weights when steps were few, and are also those of mosaics.
"""

from collections.abc import Iterable

import keras
import numpy as np

from trainer.models.batch_norm import BatchNormalization
from trainer.models.network import Network

# Images that the statistics are measured on.
IMAGES = 64
# Images at once: where the inputs of all layers are kept, few, since nothing depends on it but memory.
MEASURED_BATCH, RENEWED_BATCH = 2, 8
# A channel that is 0 on all images would otherwise get a scale without end in training.
MIN_VARIANCE = 1e-6


def measure(network: Network, pixels: np.ndarray) -> None:
    """Measure on `pixels`, uint8 (N, H, W, 3), and change scale and offset so that answers at rest stay the same."""
    preprocess = network.keras_model.get_layer("preprocess")
    batches = [pixels[start : start + MEASURED_BATCH] for start in range(0, len(pixels), MEASURED_BATCH)]
    _measure(network.backbone, (preprocess(batch) for batch in batches))
    _measure(network.keras_model, batches)


def renew(network: Network, pixels: np.ndarray) -> None:
    """Replace all statistics by those of `pixels`, uint8 (N, H, W, 3): the means over batches; answers change."""
    layers = [*network.backbone.layers, *network.keras_model.layers]
    norms = [layer for layer in layers if isinstance(layer, BatchNormalization)]
    momentums = [layer.momentum for layer in norms]
    try:
        for number, start in enumerate(range(0, len(pixels), RENEWED_BATCH)):
            for layer in norms:
                layer.momentum = number / (number + 1)
            network.keras_model(pixels[start : start + RENEWED_BATCH], training=True)
    finally:
        for layer, momentum in zip(norms, momentums, strict=True):
            layer.momentum = momentum


def _measure(model: keras.Model, batches: Iterable) -> None:
    norms = [layer for layer in model.layers if isinstance(layer, BatchNormalization)]
    before = keras.Model(model.input, [layer.input for layer in norms])
    sums = [np.zeros((3, 1))] * len(norms)
    for batch in batches:
        sums = [total + _sums(np.asarray(values)) for total, values in zip(sums, before(batch), strict=True)]
    for layer, (counts, values, squares) in zip(norms, sums, strict=True):
        mean = values / counts
        _replace(layer, mean, np.maximum(squares / counts - np.square(mean), MIN_VARIANCE))


def _sums(values: np.ndarray) -> np.ndarray:
    """Return float64 (3, C): count, sum and sum of squares of each channel of (B, H, W, C)."""
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    return np.stack([np.full(flat.shape[1], len(flat)), flat.sum(0), np.square(flat).sum(0)])


def _replace(layer: BatchNormalization, mean: np.ndarray, variance: np.ndarray) -> None:
    gamma, beta, old_mean, old_variance = layer.get_weights()
    factor = gamma / np.sqrt(old_variance + layer.epsilon)
    offset = beta - factor * old_mean
    scale = factor * np.sqrt(variance + layer.epsilon)
    layer.set_weights([array.astype(np.float32) for array in (scale, offset + factor * mean, mean, variance)])
