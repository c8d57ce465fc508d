"""The Keras network itself behind the engine contract: validation runs the serving path on it."""

import numpy as np
import tensorflow as tf

from trainer.models.network import Network


class KerasEngine:
    """See `runtime.engines.Engine`."""

    name = "keras"
    device = "as TensorFlow chooses"

    def __init__(self, network: Network) -> None:
        self._function = tf.function(network.predict, jit_compile=False)

    def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See `runtime.engines.Engine.run`."""
        boxes, scores = self._function(tf.constant(pixels))
        return {"boxes": boxes.numpy(), "scores": scores.numpy()}
