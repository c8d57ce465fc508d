"""An ONNX file or an IR: the network with the engine contract, and the unchanged one as the reference.

ONNX Runtime runs the reference of an ONNX file if it is installed. An IR can only be run by OpenVINO, so that its
proof covers what was built around the network and not OpenVINO itself. Imports OpenVINO: for the worker only.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from openvino.preprocess import ColorFormat, PrePostProcessor

from builder.imports.adapters import Run
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes, UnsupportedModelError, decisive_line

# All outputs of a network, in its order, for one input.
RunAll = Callable[[np.ndarray], Sequence[np.ndarray]]
_TYPES = {ov.Type.f32: "float32", ov.Type.f16: "float16", ov.Type.u8: "uint8"}
_CHANNELS = 3


class OpenVinoGraph:
    """A network at a fixed input size.

    Attributes:
        model: Unchanged but for that size.
        input_size: (width, height).
        order: "NCHW" or "NHWC".
        dtype: Of the input: "float32", "float16" or "uint8".
        outputs: Names and shapes, in the file's order.
        metadata: What the exporter wrote into the file, such as `task` and `names`.
    """

    def __init__(self, file: Path, image_size: tuple[int, int] | None) -> None:
        """Read a file.

        Raises:
            UnsupportedModelError: It is no model, or its input is no image.
        """
        self._file = file
        self.model = read_network(file)
        self.order, self.input_size = self._fix_input(image_size)
        self.dtype = _TYPES[self.model.input(0).element_type]
        self.outputs: Shapes = {
            _name(port, index): tuple(side.get_length() if side.is_static else -1 for side in port.partial_shape)
            for index, port in enumerate(self.model.outputs)
            if port.partial_shape.rank.is_static
        }
        self.metadata = read_metadata(self.model)

    def with_contract(
        self, adapter: ModuleType, match: AdapterMatch, layout: Layout, pixels: Preprocessing
    ) -> ov.Model:
        """Add preprocessing and decoding, so that the engine contract holds; `model` must not be used afterwards."""
        processor = PrePostProcessor(self.model)
        feed = processor.input(0)
        feed.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_color_format(ColorFormat.RGB)
        feed.model().set_layout(ov.Layout(self.order))
        steps = feed.preprocess()
        if pixels.order == "bgr":
            steps.convert_color(ColorFormat.BGR)
        if not pixels.is_identity:
            steps.convert_element_type(ov.Type.f32).mean(list(pixels.mean)).scale(list(pixels.scale))
        steps.convert_element_type(self.model.input(0).element_type)
        names = list(self.outputs)
        model = processor.build()
        ends = [model.outputs[names.index(name)].get_node().input_value(0) for name in match.names]
        decoded = adapter.graph([ops.convert(end, "f32").output(0) for end in ends], layout, ops)
        results = [_result(node, name) for node, name in zip(decoded, ("boxes", "scores"), strict=True)]
        wrapped = ov.Model(results, model.get_parameters(), "detector")
        wrapped.input(0).get_tensor().set_names({"pixels"})
        return wrapped

    def reference(self) -> tuple[RunAll, str]:
        """Return the unchanged network as a function, and a description of what runs it."""
        with_onnxruntime = self._file.suffix.lower() == ".onnx" and importlib.util.find_spec("onnxruntime") is not None
        return _onnxruntime(self._file) if with_onnxruntime else _openvino(self.model)

    def select(self, run: RunAll, match: AdapterMatch) -> Run:
        """Return a function that gives the outputs that an adapter decodes, float32."""
        at = [list(self.outputs).index(name) for name in match.names]

        def run_matched(feed: np.ndarray) -> Sequence[np.ndarray]:
            outputs = run(feed)
            return [np.asarray(outputs[index], np.float32) for index in at]

        return run_matched

    def prepare(self, image: np.ndarray, pixels: Preprocessing) -> np.ndarray:
        """Turn the engine contract's uint8 RGB into what the network is fed with."""
        ready = pixels.prepare(image)
        ordered = ready.transpose(0, 3, 1, 2) if self.order == "NCHW" else ready
        return np.ascontiguousarray(ordered).astype(self.dtype)

    def _fix_input(self, image_size: tuple[int, int] | None) -> tuple[str, tuple[int, int]]:
        if len(self.model.inputs) != 1:
            raise UnsupportedModelError(
                f"{len(self.model.inputs)} inputs; expected one, the image. Export the model with one input."
            )
        port = self.model.input(0)
        shape = port.partial_shape
        sides = list(shape) if shape.rank.is_static else []
        order = next(
            (order for order, at in (("NCHW", 1), ("NHWC", 3)) if len(sides) == 4 and sides[at] == _CHANNELS), ""
        )
        if not order or port.element_type not in _TYPES or not sides[0].compatible(ov.Dimension(1)):
            raise UnsupportedModelError(
                f"input of shape {shape} and type {port.element_type.get_type_name()}; expected one image with 3 "
                f"channels, float or uint8, one at a time. Export the model so."
            )
        height, width = (sides[order.index(letter)] for letter in "HW")
        if image_size is None and not (height.is_static and width.is_static):
            raise UnsupportedModelError(
                f"input of shape {shape}, which leaves the size open; expected one size. Give it with --image-size."
            )
        size = image_size or (width.get_length(), height.get_length())
        if not (width.compatible(ov.Dimension(size[0])) and height.compatible(ov.Dimension(size[1]))):
            raise UnsupportedModelError(
                f"input of shape {shape}; expected no other size with --image-size than this. Leave it out."
            )
        fixed = {"N": 1, "C": _CHANNELS, "H": size[1], "W": size[0]}
        try:
            self.model.reshape([fixed[letter] for letter in order])
        except RuntimeError as error:
            raise UnsupportedModelError(
                f"OpenVINO cannot give it the size {size[0]}x{size[1]} ({decisive_line(error)}); expected a size that "
                f"the network takes. Choose another --image-size."
            ) from error
        return order, size


def read_network(file: Path) -> ov.Model:
    """Read an ONNX file or an IR.

    Raises:
        UnsupportedModelError: It is no model.
    """
    try:
        return ov.Core().read_model(file)
    except RuntimeError as error:
        cause = decisive_line(error).replace(f"{file.parent}/", "")  # a folder of ours: no use to the user
        raise UnsupportedModelError(
            f"OpenVINO cannot read it ({cause}); expected a whole model. Export it again."
        ) from error


def read_metadata(model: ov.Model) -> dict[str, str]:
    """Return what the exporter wrote into an ONNX file, which an IR that was made of it keeps, or into an IR."""
    found: dict[str, str] = {}
    for section in ("model_info", "framework"):
        values = model.get_rt_info(section).value if model.has_rt_info(section) else None
        if isinstance(values, dict):
            found |= {str(key): str(getattr(item, "value", item)) for key, item in values.items()}
    return found


def save(model: ov.Model, folder: Path) -> None:
    """Write model.xml and model.bin, with the weights as they are."""
    folder.mkdir()
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)


def _result(node: ov.Node, name: str) -> ov.Node:
    result = ops.result(node)
    result.output(0).get_tensor().set_names({name})
    return result


def _name(port: ov.Output, index: int) -> str:
    return port.get_any_name() if port.get_names() else f"output{index}"


def _onnxruntime(file: Path) -> tuple[RunAll, str]:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda feed: session.run(
        None, {name: feed}
    ), f"the ONNX file as it came, by ONNX Runtime {onnxruntime.__version__}"


def _openvino(model: ov.Model) -> tuple[RunAll, str]:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(feed: np.ndarray) -> Sequence[np.ndarray]:
        results = compiled([feed])
        return [np.array(results[index]) for index in range(len(compiled.outputs))]

    return run, f"the file as it came, by OpenVINO {ov.get_version().partition('-')[0]} with decoding in NumPy"
