"""TensorFlow on GPU (or CPU): `saved_model/`."""

import os
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

from runtime.errors import EngineError


class TensorFlowEngine:
    """A SavedModel with the engine contract (see `runtime.engines.Engine`)."""

    name = "tensorflow"

    def __init__(self, model: object) -> None:
        self._model = model  # keeps the variables alive
        self._function = model.signatures["serving_default"]
        gpus = tf.config.list_physical_devices("GPU")
        self.device = f"{'GPU' if gpus else 'CPU: no GPU is visible'}, TensorFlow {tf.__version__}"

    def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See `runtime.engines.Engine.run`."""
        results = self._function(pixels=tf.constant(pixels))
        return {name: results[name].numpy() for name in ("boxes", "scores")}


def load(directory: Path) -> TensorFlowEngine:
    """Load `directory`/saved_model; a GPU's memory is taken as needed, not whole.

    Raises:
        EngineError: The SavedModel is missing or broken.

    """
    path = directory / "saved_model"
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if not path.is_dir():
        raise EngineError(f"{path}: no such folder; expected a SavedModel. Build the function again.")
    try:
        return TensorFlowEngine(tf.saved_model.load(str(path)))
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise EngineError(f"{path}: TensorFlow cannot load it ({first_line}). Build the function again.") from error
