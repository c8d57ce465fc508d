"""A SavedModel of the Object Detection API: its own outputs, and the same network with the engine contract.

Its variables become constants: a SavedModel around a loaded one cannot be read by OpenVINO, which looks for the
variables under their old names. Imports TensorFlow: for the worker only.
"""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from builder.imports.adapters import Run
from builder.imports.layout import AdapterMatch, Layout, Shapes, UnsupportedModelError, decisive_line

_SIGNATURE = "serving_default"
# What a detector never needs and a foreign graph could do to this machine; loading runs initialisers.
_DANGEROUS = {
    *("ReadFile", "WriteFile", "MatchingFiles", "DeleteFile", "PyFunc", "PyFuncStateless", "EagerPyFunc"),
    *("Save", "SaveSlices", "WholeFileReaderV2", "FixedLengthRecordDatasetV2", "TextLineDataset", "TFRecordDataset"),
    *("RpcCall", "RpcServer", "DecodeAndExecute", "WriteSummary", "CreateSummaryFileWriter", "SendTensor"),
}


class SavedModelGraph:
    """A detector whose signature takes one uint8 image.

    Attributes:
        input_size: (width, height).
        outputs: Names and shapes.
        description: What runs the unchanged network.
    """

    description = f"the SavedModel as it came, by TensorFlow {tf.__version__} with decoding in NumPy"

    def __init__(self, folder: Path, image_size: tuple[int, int] | None) -> None:
        """Refuse operations that no detector needs, then load the model.

        Raises:
            UnsupportedModelError: It is no SavedModel, has such operations, or its input is no image.
        """
        _refuse_dangerous(folder / "saved_model.pb")
        try:
            self._model = tf.saved_model.load(str(folder))
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise UnsupportedModelError(
                f"TensorFlow cannot load it ({decisive_line(error)}); expected a whole SavedModel."
            ) from error
        if _SIGNATURE not in self._model.signatures:
            found = ", ".join(sorted(self._model.signatures)) or "none"
            raise UnsupportedModelError(f"signatures {found}; expected {_SIGNATURE}. Export the model again.")
        self._function = self._model.signatures[_SIGNATURE]
        self._input, self.input_size = self._read_input(image_size)
        self.outputs: Shapes = {
            name: tuple(-1 if side is None else side for side in spec.shape) if spec.shape.rank is not None else ()
            for name, spec in self._function.structured_outputs.items()
        }

    def with_contract(self, adapter: ModuleType, match: AdapterMatch, layout: Layout) -> tf.Module:
        """Return a module without variables whose `detect` has the engine contract."""
        width, height = self.input_size
        spec = tf.TensorSpec((1, height, width, 3), tf.uint8, name="pixels")

        @tf.function(input_signature=[spec])
        def detect(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            outputs = self._function(**{self._input: pixels})
            return adapter.graph([outputs[name] for name in match.names], layout, tf)

        frozen = convert_variables_to_constants_v2(detect.get_concrete_function(), lower_control_flow=False)
        module = tf.Module()

        @tf.function(input_signature=[spec])
        def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
            boxes, scores = frozen(pixels)
            return {"boxes": boxes, "scores": scores}

        module.detect = serve
        return module

    def select(self, match: AdapterMatch) -> Run:
        """Return the unchanged network as a function that gives the outputs that an adapter decodes."""

        def run(pixels: np.ndarray) -> Sequence[np.ndarray]:
            outputs = self._function(**{self._input: tf.constant(pixels)})
            return [outputs[name].numpy() for name in match.names]

        return run

    def _read_input(self, image_size: tuple[int, int] | None) -> tuple[str, tuple[int, int]]:
        inputs = self._function.structured_input_signature[1]
        shown = ", ".join(f"{name} {spec.shape} {spec.dtype.name}" for name, spec in inputs.items())
        fits = [
            name
            for name, spec in inputs.items()
            if spec.dtype == tf.uint8 and spec.shape.is_compatible_with((1, None, None, 3))
        ]
        if len(inputs) != 1 or not fits:
            raise UnsupportedModelError(
                f"input {shown}; expected one of shape (1, height, width, 3) and type uint8. Export the model with "
                f"--input_type image_tensor."
            )
        _, height, width, _ = inputs[fits[0]].shape
        if image_size is None and not (height and width):
            raise UnsupportedModelError(
                f"input {shown}, which leaves the size open; expected one size. Give it with --image-size."
            )
        size = image_size or (width, height)
        if not inputs[fits[0]].shape.is_compatible_with((1, size[1], size[0], 3)):
            raise UnsupportedModelError(
                f"input {shown}; expected no other size with --image-size than this. Leave it out."
            )
        return fits[0], size


def save(module: tf.Module, folder: Path) -> None:
    """Write a SavedModel with `serving_default`."""
    tf.saved_model.save(module, str(folder), signatures={_SIGNATURE: module.detect})


def _refuse_dangerous(file: Path) -> None:
    content = saved_model_pb2.SavedModel()
    try:
        content.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise UnsupportedModelError("saved_model.pb: not readable; expected a SavedModel. Export it again.") from error
    found = set()
    for graph in (meta.graph_def for meta in content.meta_graphs):
        found |= {node.op for node in graph.node}
        found |= {node.op for function in graph.library.function for node in function.node_def}
    if dangerous := sorted(found & _DANGEROUS):
        raise UnsupportedModelError(
            f"the graph has the operations {', '.join(dangerous)}, which reach outside it; expected a detector. "
            f"Import models of people you trust, exported again without them."
        )
