"""OpenVINO on CPU: `model.xml` and `model.bin`.

OpenVINO's own choice of precision is bfloat16 where the processor has it, so that the same model
answers differently on different machines; f32 is set here, and the answers are those that were proven.
"""

import os
from pathlib import Path

import numpy as np
import openvino as ov

from runtime.errors import EngineError


class OpenVinoEngine:
    """A compiled IR with the engine contract (see `runtime.engines.Engine`)."""

    name = "openvino"

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._request = compiled.create_infer_request()
        threads = compiled.get_property("INFERENCE_NUM_THREADS")
        self.device = f"CPU, {threads} threads, OpenVINO {ov.get_version()}"

    def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See `runtime.engines.Engine.run`."""
        results = self._request.infer([np.ascontiguousarray(pixels)], share_inputs=True)
        return {name: np.array(results[name]) for name in ("boxes", "scores")}


def load(directory: Path) -> OpenVinoEngine:
    """Compile `directory`/model.xml; MODEL_THREADS bounds its threads (default: all cores).

    Raises:
        EngineError: The IR is missing or broken, or MODEL_THREADS is not a positive whole number.

    """
    path = directory / "model.xml"
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    threads = os.environ.get("MODEL_THREADS", "")
    if threads:
        if not threads.isdigit() or int(threads) < 1:
            raise EngineError(f"MODEL_THREADS: {threads!r}; expected a whole number from 1 on, or nothing.")
        config["INFERENCE_NUM_THREADS"] = threads
    if not path.is_file():
        raise EngineError(f"{path}: no such file; expected the model's IR. Build the function again.")
    try:
        return OpenVinoEngine(ov.Core().compile_model(path, "CPU", config))
    except RuntimeError as error:
        first_line = str(error).strip().splitlines()[0]
        raise EngineError(f"{path}: OpenVINO cannot load it ({first_line}). Build the function again.") from error
