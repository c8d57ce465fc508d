"""TensorFlow on GPU (or CPU): `saved_model/`.

A GPU computes float32 as on the CPU: TensorFlow's own choice on newer cards is TF32, with ten bits of mantissa, and
detections would no longer be those that were proven.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

from runtime.engines import contract_outputs, one_by_one
from runtime.errors import EngineError
from runtime.processors import threads


class TensorFlowEngine:
    """A SavedModel with the engine contract (see `runtime.engines.Engine`)."""

    name = "tensorflow"

    def __init__(self, model: Any) -> None:
        self._model = model  # keeps the variables alive
        self._function = model.signatures["serving_default"]
        self._one_by_one = self._function.structured_input_signature[1]["pixels"].shape[0] == 1
        self._outputs = contract_outputs(self._function.structured_outputs)
        gpus = [_gpu_name(gpu) for gpu in tf.config.list_physical_devices("GPU")]
        self.device = f"{', '.join(gpus) or 'CPU'}, TensorFlow {tf.__version__}"
        self.warning = "" if gpus else _no_gpu()

    def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See `runtime.engines.Engine.run`; an imported network may take one image at a time only."""
        return one_by_one(self._run, pixels) if self._one_by_one else self._run(pixels)

    def _run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        results = self._function(pixels=tf.constant(pixels))
        return {name: results[name].numpy() for name in self._outputs}


def load(directory: Path) -> TensorFlowEngine:
    """Load `directory`/saved_model; a GPU's memory is allocated as needed, not whole.

    CUDA_VISIBLE_DEVICES chooses among the GPUs. On the CPU, MODEL_THREADS bounds the threads (`runtime.processors`).

    Raises:
        EngineError: The SavedModel is missing or broken, or MODEL_THREADS is no positive whole number.
    """
    path = directory / "saved_model"
    count = threads(directory)
    if not path.is_dir():
        raise EngineError(f"{path}: no such folder; expected a SavedModel. Build the function again.")
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        tf.config.threading.set_intra_op_parallelism_threads(count)
    except RuntimeError:  # TensorFlow is at work in this process already: the first user has chosen
        pass
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        return TensorFlowEngine(tf.saved_model.load(str(path)))
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise EngineError(f"{path}: TensorFlow cannot load it ({first_line}). Build the function again.") from error


def _gpu_name(gpu: Any) -> str:
    name = tf.config.experimental.get_device_details(gpu).get("device_name", "unknown model")
    return f"GPU {gpu.name.rpartition(':')[2]} ({name})"


def _no_gpu() -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = "" if visible is None else f", with CUDA_VISIBLE_DEVICES={visible!r}"
    return (
        f"TensorFlow sees no GPU{chosen}; expected one. The model runs on the CPU, slowly: give the container a GPU, "
        f"or deploy the CPU variant."
    )
