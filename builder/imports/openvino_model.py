"""An ONNX file or an IR: the network with the engine contract, and the unchanged one as the reference.

ONNX Runtime runs the reference of an ONNX file if it is installed. An IR can only be run by OpenVINO, so that its
proof covers what was built around the network and not OpenVINO itself. Imports OpenVINO: for the worker only.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from openvino.preprocess import ColorFormat, PrePostProcessor

from builder.imports.adapters import mask_head
from builder.imports.errors import UnsupportedModelError, decisive_line
from builder.imports.image_input import ImageInput, fix_inputs
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.reference_engine import Run

# Of a channel's mean and scale.
_LARGEST_CHANNEL = 65536
# All outputs of a network, in its order, for one input.
RunAll = Callable[[np.ndarray], Sequence[np.ndarray]]


class OpenVinoGraph:
    """A network at a fixed input size.

    Attributes:
        model: Unchanged but for that size.
        input_size: (width, height).
        order: "NCHW" or "NHWC".
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
        self._input = fix_inputs(self.model, image_size)
        self.order, self.input_size = self._input.order, self._input.size
        # The same tensor may be there twice, and one without a known rank is not used.
        self._positions = {
            _name(port, index): index
            for index, port in enumerate(self.model.outputs)
            if port.partial_shape.rank.is_static
        }
        self.outputs: Shapes = {
            name: _shape_of_one(self.model.outputs[index]) for name, index in self._positions.items()
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
        model = processor.build()
        ends = [model.outputs[self._positions[name]].get_node().input_value(0) for name in match.names]
        nodes = [ops.convert(end, "f32").output(0) for end in ends]
        decoded = dict(zip(("boxes", "scores"), adapter.graph(nodes, layout, ops), strict=True))
        if layout.kept:
            decoded["scores"] = ops.gather(decoded["scores"], np.array(layout.kept, np.int64), np.int64(-1))
        if mask_head(adapter) is not None:
            decoded |= adapter.graph_masks(nodes, layout, ops)
        results = [_result(node, name) for name, node in decoded.items()]
        wrapped = ov.Model(results, model.get_parameters(), "detector")
        wrapped.input(0).get_tensor().set_names({"pixels"})
        return wrapped

    def reference(self) -> tuple[RunAll, str]:
        """Return the unchanged network as a function, and a description of what runs it."""
        with_onnxruntime = self._file.suffix.lower() == ".onnx" and importlib.util.find_spec("onnxruntime") is not None
        if not with_onnxruntime:
            return _openvino(self.model)
        return _onnxruntime(self._file, self._input)

    def usual_pixels(self, usual: Preprocessing) -> Preprocessing:
        """What the network is fed with, if the user does not say.

        A network with an uint8 input normalises it itself. Geti, OpenVINO Training Extensions and Ultralytics write
        mean and scale into the file; their networks take RGB.
        """
        if self._input.dtype == "uint8":
            return Preprocessing(usual.order)
        mean, scale = (_three_numbers(self.metadata, key) for key in ("mean_values", "scale_values"))
        if not mean and not scale:
            return usual
        return Preprocessing("rgb", mean or Preprocessing().mean, scale or Preprocessing().scale)

    def select(self, run: RunAll, match: AdapterMatch) -> Run:
        """Return a function that gives the outputs that an adapter decodes, float32."""
        at = [self._positions[name] for name in match.names]

        def run_matched(feed: np.ndarray) -> Sequence[np.ndarray]:
            outputs = run(feed)
            return [np.asarray(outputs[index], np.float32) for index in at]

        return run_matched

    def prepare(self, image: np.ndarray, pixels: Preprocessing) -> np.ndarray:
        """Turn the engine contract's uint8 RGB into what the network is fed with."""
        ready = pixels.prepare(image)
        ordered = ready.transpose(0, 3, 1, 2) if self.order == "NCHW" else ready
        return np.ascontiguousarray(ordered).astype(self._input.dtype)


def read_network(file: Path) -> ov.Model:
    """Read an ONNX file or an IR.

    Raises:
        UnsupportedModelError: It is no model.
    """
    try:
        return ov.Core().read_model(file)
    except RuntimeError as error:
        # A folder of ours: no use to the user.
        cause = decisive_line(error).replace(f"{file.parent}/", "").replace(f"directory '{file.parent}'", "folder")
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


def _three_numbers(metadata: Mapping[str, str], key: str) -> tuple[float, float, float] | None:
    """Numbers such as "123.675 116.28 103.53" in the metadata of an IR, or of an ONNX file with the section before."""
    text = metadata.get(key) or metadata.get(f"model_info {key}") or ""
    try:
        numbers = [float(part) for part in text.strip("[]").replace(",", " ").split()]
    except ValueError:
        return None
    usable = len(numbers) in (1, 3) and all(0 <= number < _LARGEST_CHANNEL for number in numbers)
    if not usable or (key == "scale_values" and not all(numbers)):
        return None
    first, second, third = numbers * (3 // len(numbers))
    return first, second, third


def save(model: ov.Model, folder: Path) -> None:
    """Write model.xml and model.bin, with the weights as they are."""
    folder.mkdir()
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)


def _shape_of_one(port: ov.Output) -> tuple[int, ...]:
    """Shape of an output for one image: where the size of the batch did not follow from that of the input, it is 1."""
    sides = [side.get_length() if side.is_static else -1 for side in port.partial_shape]
    return tuple([1, *sides[1:]] if len(sides) > 2 and sides[0] < 0 else sides)


def _result(node: ov.Node, name: str) -> ov.Node:
    result = ops.result(node)
    result.output(0).get_tensor().set_names({name})
    return result


def _name(port: ov.Output, index: int) -> str:
    return port.get_any_name() if port.get_names() else f"output{index}"


def _onnxruntime(file: Path, fed: ImageInput) -> tuple[RunAll, str]:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (name,) = (port.name for port in session.get_inputs() if port.name not in fed.bound)

    def run(feed: np.ndarray) -> Sequence[np.ndarray]:
        outputs: Sequence[np.ndarray] = session.run(None, {**fed.bound, name: feed if fed.has_batch else feed[0]})
        return outputs

    return run, f"the ONNX file as it came, by ONNX Runtime {onnxruntime.__version__}"


def _openvino(model: ov.Model) -> tuple[RunAll, str]:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(feed: np.ndarray) -> Sequence[np.ndarray]:
        results = compiled([feed])
        return [np.array(results[index]) for index in range(len(compiled.outputs))]

    return run, f"the file as it came, by OpenVINO {ov.get_version().partition('-')[0]} with decoding in NumPy"
