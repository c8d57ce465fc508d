"""A SavedModel of the Object Detection API: its own outputs, and the same network with the engine contract.

Its variables become constants: a SavedModel around a loaded one cannot be read by OpenVINO, which looks for the
variables under their old names. Imports TensorFlow: for the worker only.
"""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from builder.imports.errors import GUIDE, UnsupportedModelError, decisive_line
from builder.imports.layout import AdapterMatch, Layout, Shapes
from builder.imports.reference_engine import Run
from builder.imports.saved_model_check import copy_checked
from preannotate.core.drafts import working_directory
from preannotate.core.text import first_of, printable

_SIGNATURE = "serving_default"


class SavedModelGraph:
    """A detector whose signature takes one uint8 image.

    Attributes:
        input_size: (width, height).
        outputs: Names and shapes.
        description: What runs the unchanged network.
    """

    description = f"the SavedModel as it came, by TensorFlow {tf.__version__} with decoding in NumPy"

    def __init__(self, folder: Path, image_size: tuple[int, int] | None) -> None:
        """Check the operations, then load the model.

        Raises:
            UnsupportedModelError: It is no SavedModel, has such operations, or its input is no image.
        """
        with working_directory() as work:
            copy = Path(work) / "model"
            copy_checked(folder, copy)
            self._load(copy)
        if _SIGNATURE not in self._model.signatures:
            found = first_of([printable(name, 30) for name in sorted(self._model.signatures)]) or "none"
            raise UnsupportedModelError(f"signatures {found}; expected {_SIGNATURE}. Export the model again.")
        self._function = self._model.signatures[_SIGNATURE]
        self.outputs: Shapes = {
            name: tuple(-1 if side is None else side for side in spec.shape) if spec.shape.rank is not None else ()
            for name, spec in self._function.structured_outputs.items()
        }
        self._input, self.input_size = self._read_input(image_size)

    def _load(self, folder: Path) -> None:
        try:
            self._model = tf.saved_model.load(str(folder))
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise UnsupportedModelError(
                f"TensorFlow cannot load it ({decisive_line(error)}); expected a whole SavedModel."
            ) from error

    def with_contract(self, adapter: ModuleType, match: AdapterMatch, layout: Layout) -> tf.Module:
        """Return a module without variables whose `detect` has the engine contract."""
        width, height = self.input_size
        spec = tf.TensorSpec((1, height, width, 3), tf.uint8, name="pixels")

        @tf.function(input_signature=[spec])
        def detect(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            outputs = self._function(**{self._input: pixels})
            boxes, scores = adapter.graph([outputs[name] for name in match.names], layout, tf)
            return boxes, tf.gather(scores, layout.kept, axis=-1) if layout.kept else scores

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

    def _advice(self) -> str:
        """What to export in place of it."""
        if "detection_boxes" in self.outputs:
            return "Export it with the Object Detection API's exporter_main_v2.py --input_type image_tensor."
        if len(self.outputs) == 1:
            return "From Ultralytics, take ONNX: yolo export format=onnx."
        return f"Export the network to ONNX: {GUIDE}."

    def _read_input(self, image_size: tuple[int, int] | None) -> tuple[str, tuple[int, int]]:
        inputs = self._function.structured_input_signature[1]
        shown = printable(", ".join(f"{name} {spec.shape} {spec.dtype.name}" for name, spec in inputs.items()), 80)
        fits = [
            name
            for name, spec in inputs.items()
            if spec.dtype == tf.uint8 and spec.shape.is_compatible_with((1, None, None, 3))
        ]
        if len(inputs) != 1 or not fits:
            raise UnsupportedModelError(
                f"input {shown}; expected one image, (1, height, width, 3) of type uint8. {self._advice()}"
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
