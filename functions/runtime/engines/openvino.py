"""OpenVINO on CPU: `model.xml` and `model.bin`.

Two of OpenVINO's own choices are overruled. Its precision is bfloat16 where the processor has it, so that the
same model detects differently on different machines: f32 is set, and detections are those that were proven.
And it ties its threads to cores, every process to the same first ones: two workers on two cores are then no
faster than one. Untied, they are nearly twice as fast (benchmarks/serving.py).

Two workers with one thread answer more requests a second than one worker with two threads, which answers each
one sooner. The hint is LATENCY for both: a worker has one request at a time.
"""

import os
from pathlib import Path

import numpy as np
import openvino as ov

from runtime.engines import contract_outputs, one_by_one
from runtime.errors import EngineError
from runtime.processors import threads


class OpenVinoEngine:
    """A compiled IR with the engine contract (see `runtime.engines.Engine`)."""

    name = "openvino"
    warning = ""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = contract_outputs(name for output in compiled.outputs for name in output.get_names())
        count = compiled.get_property("INFERENCE_NUM_THREADS")
        self.device = f"CPU, {count} {'thread' if count == 1 else 'threads'}, OpenVINO {ov.get_version()}"

    def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See `runtime.engines.Engine.run`; the IR takes one image at a time."""
        return one_by_one(self._run_one, pixels)

    def _run_one(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        results = self._request.infer([pixels], share_inputs=True)
        return {name: np.array(results[name]) for name in self._outputs}


def load(directory: Path) -> OpenVinoEngine:
    """Compile `directory`/model.xml.

    The environment may set MODEL_THREADS (see `runtime.processors`) and MODEL_CACHE: a folder in which compiled
    models are kept, so that a restarted worker is ready sooner.

    Raises:
        EngineError: The IR is missing or broken, MODEL_THREADS is no positive whole number, or MODEL_CACHE cannot be
            written.
    """
    path = directory / "model.xml"
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads(directory),
        "ENABLE_CPU_PINNING": False,
        "ENABLE_MMAP": True,
    }
    if cache := os.environ.get("MODEL_CACHE", ""):
        config["CACHE_DIR"] = _writable(Path(cache))
    if not path.is_file():
        raise EngineError(f"{path}: no such file; expected the model's IR. Build the function again.")
    try:
        return OpenVinoEngine(ov.Core().compile_model(path, "CPU", config))
    except RuntimeError as error:
        raise EngineError(f"{path}: OpenVINO cannot load it ({_reason(error)}). Build the function again.") from error


def _reason(error: RuntimeError) -> str:
    """The line of OpenVINO's message that says what is wrong; those before it say where in its source."""
    lines = [line.strip() for line in str(error).splitlines()]
    causes = [line for line in lines if line and not line.startswith(("Exception from ", "Check '"))]
    return (causes or [line for line in lines if line] or [type(error).__name__])[0].rstrip(".!")


def _writable(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(f"MODEL_CACHE: {folder}: {error.strerror}; expected a folder that can be written.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EngineError(f"MODEL_CACHE: {folder}: Permission denied; expected a folder that can be written.")
    return str(folder)
