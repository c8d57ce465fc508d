"""An ONNX file or an IR as it came, answering for itself.

ONNX files are run by ONNX Runtime where it is installed. An IR has OpenVINO only: there the proof covers what was
built around the network, not OpenVINO itself. For the worker only.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import openvino as ov

from builder.imports.layout import AdapterMatch, Layout
from builder.imports.openvino_model import OpenVinoGraph
from builder.imports.pixels import Preprocessing
from builder.imports.reference import ReferenceEngine

# All outputs of a network, in its order, for one input.
RunAll = Callable[[np.ndarray], Sequence[np.ndarray]]


def reference(
    kind: str,
    file: Path,
    graph: OpenVinoGraph,
    adapter: ModuleType,
    match: AdapterMatch,
    layout: Layout,
    pixels: Preprocessing,
) -> tuple[ReferenceEngine, str]:
    """The engine, and in words what it is."""
    with_onnxruntime = kind == "onnx" and importlib.util.find_spec("onnxruntime") is not None
    run, words = _onnxruntime(file) if with_onnxruntime else _openvino(graph)
    at = [list(graph.outputs).index(name) for name in match.names]

    def chosen(feed: np.ndarray) -> Sequence[np.ndarray]:
        outputs = run(feed)
        return [np.asarray(outputs[index], np.float32) for index in at]

    def prepare(image: np.ndarray) -> np.ndarray:
        ready = pixels.prepare(image)
        return np.ascontiguousarray(ready.transpose(0, 3, 1, 2) if graph.order == "NCHW" else ready).astype(graph.dtype)

    return ReferenceEngine(chosen, prepare, adapter, layout), words


def _onnxruntime(file: Path) -> tuple[RunAll, str]:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda feed: session.run(
        None, {name: feed}
    ), f"the ONNX file as it came, by ONNX Runtime {onnxruntime.__version__}"


def _openvino(graph: OpenVinoGraph) -> tuple[RunAll, str]:
    compiled = ov.Core().compile_model(graph.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(feed: np.ndarray) -> Sequence[np.ndarray]:
        results = compiled([feed])
        return [np.array(results[index]) for index in range(len(compiled.outputs))]

    return run, f"the file as it came, by OpenVINO {ov.get_version().partition('-')[0]} with decoding in NumPy"
