"""What every model family builds: a Keras network with its anchors, decoded by one formula."""

from dataclasses import dataclass

import keras
import numpy as np

from trainer.box_coder import decode


@dataclass(frozen=True)
class Network:
    """A detector network before its training or after.

    Attributes:
        keras_model: uint8 pixels (B, H, W, 3) to `[logits (B, A, K), deltas (B, A, 4)]`, float32.
        backbone: The part that may carry pretrained weights, its layers in the order of the data.
        block_starts: Names of the backbone's layers that begin a block: with `freeze=n`, training starts at the
            n-th of them, counted from 0.
        anchors: float32 (A, 4), xyxy, input pixels.
        anchor_levels: int64 (A,): the feature level of each anchor, 0 is the finest.
        input_size: (width, height).
        num_classes: K.

    """

    keras_model: keras.Model
    backbone: keras.Model
    block_starts: tuple[str, ...]
    anchors: np.ndarray
    anchor_levels: np.ndarray
    input_size: tuple[int, int]
    num_classes: int

    def predict(self, pixels: object) -> tuple[object, object]:
        """The engine contract inside the graph: pixels to `boxes` (B, A, 4) in input pixels and `scores` (B, A, K)."""
        logits, deltas = self.keras_model(pixels, training=False)
        return decode(deltas, self.anchors), keras.ops.sigmoid(logits)
