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

from builder.imports.adapters import Run
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes, UnsupportedModelError, decisive_line
from preannotate.core.text import first_of, printable

# All outputs of a network, in its order, for one input.
RunAll = Callable[[np.ndarray], Sequence[np.ndarray]]
_TYPES = {ov.Type.f32: "float32", ov.Type.f16: "float16", ov.Type.u8: "uint8"}
_CHANNELS = 3
_RANK = 4
_LARGEST_CHANNEL = 65536
# What other inputs mean, from (width, height): the image is as large as the network's input, and not scaled.
_INPUTS: dict[str, Callable[[int, int], tuple[float, ...]]] = {
    # RT-DETR, D-FINE, DEIM.
    "orig_target_sizes": lambda width, height: (width, height),
    # PaddleDetection: height first, as in the sources; scale_factor is (y, x).
    "im_shape": lambda width, height: (height, width),
    "scale_factor": lambda width, height: (1, 1),
    # YOLOv3 and Faster R-CNN of the ONNX and OpenVINO Model Zoos.
    "image_shape": lambda width, height: (height, width),
    "image_info": lambda width, height: (height, width, 1),
}


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
        port = self._image_input()
        self._has_batch = port.partial_shape.rank.get_length() == _RANK
        if not self._has_batch:
            _add_batch(self.model, port)
        self.order, self.input_size = self._read_input(port.partial_shape, image_size)
        self._bound = self._bind_inputs()
        self._fix_size()
        self.dtype = _TYPES[self.model.input(0).element_type]
        self.outputs: Shapes = {
            _name(port, index): _shape_of_one(port)
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
        if not with_onnxruntime:
            return _openvino(self.model)
        return _onnxruntime(self._file, self._bound, has_batch=self._has_batch)

    def usual_pixels(self, usual: Preprocessing) -> Preprocessing:
        """What the network is fed with, if the user does not say.

        A network with an uint8 input normalises it itself. Geti, OpenVINO Training Extensions and Ultralytics write
        mean and scale into the file; their networks take RGB.
        """
        if self.dtype == "uint8":
            return Preprocessing(usual.order)
        mean, scale = (_three_numbers(self.metadata, key) for key in ("mean_values", "scale_values"))
        if not mean and not scale:
            return usual
        return Preprocessing("rgb", mean or Preprocessing().mean, scale or Preprocessing().scale)

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

    def _image_input(self) -> ov.Output:
        """Return the input that is an image; a batch of any size but 1 is refused later."""
        images = [port for port in self.model.inputs if _order(port.partial_shape)]
        if len(images) == 1 and images[0].element_type in _TYPES:
            return images[0]
        if len(self.model.inputs) == 1:
            port = self.model.input(0)
            raise UnsupportedModelError(_no_image(port.partial_shape, port.element_type))
        raise self._too_many_inputs()

    def _read_input(self, shape: ov.PartialShape, image_size: tuple[int, int] | None) -> tuple[str, tuple[int, int]]:
        """Return the order of the axes, with a batch, and (width, height)."""
        order = _order(shape)
        sides = list(shape)
        if len(sides) == _RANK and not sides[0].compatible(ov.Dimension(1)):
            raise UnsupportedModelError(_no_image(shape, self.model.input(0).element_type))
        height, width = (sides[order.index(letter) - _RANK] for letter in "HW")
        if image_size is None and not (height.is_static and width.is_static):
            raise UnsupportedModelError(
                f"input of shape {shape}, which leaves the size open; expected one size. Give it with --image-size."
            )
        size = image_size or (width.get_length(), height.get_length())
        if not (width.compatible(ov.Dimension(size[0])) and height.compatible(ov.Dimension(size[1]))):
            raise UnsupportedModelError(
                f"input of shape {shape}; expected no other size with --image-size than this. Leave it out."
            )
        return order, size

    def _bind_inputs(self) -> dict[str, np.ndarray]:
        """Turn each input but the image into a constant, and return these by name.

        Raises:
            UnsupportedModelError: It is not known what such an input means.
        """
        bound = {}
        for port in [port for port in self.model.inputs if not _order(port.partial_shape)]:
            name = port.get_any_name() if port.get_names() else ""
            if (meaning := _INPUTS.get(name)) is None:
                raise self._too_many_inputs()
            bound[name] = np.array([meaning(*self.input_size)], port.element_type.to_dtype())
            _replace(self.model, port, ops.constant(bound[name]))
        return bound

    def _too_many_inputs(self) -> UnsupportedModelError:
        inputs = first_of([printable(_name(port, index), 40) for index, port in enumerate(self.model.inputs)], 4)
        return UnsupportedModelError(
            f"inputs {inputs}; expected one, the image, and beside it none but {', '.join(_INPUTS)}. "
            f"Export the model with one input."
        )

    def _fix_size(self) -> None:
        width, height = self.input_size
        fixed = {"N": 1, "C": _CHANNELS, "H": height, "W": width}
        try:
            self.model.reshape([fixed[letter] for letter in self.order])
        except RuntimeError as error:
            raise UnsupportedModelError(
                f"OpenVINO cannot give it the size {width}x{height} ({decisive_line(error)}); expected a size that "
                f"the network takes. Choose another --image-size."
            ) from error


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


def _order(shape: ov.PartialShape) -> str:
    """Return the order of an image's axes, with or without a batch; "" if it is none."""
    sides = list(shape) if shape.rank.is_static else []
    if len(sides) not in (_RANK, _RANK - 1):
        return ""
    return next((order for order, at in (("NCHW", -3), ("NHWC", -1)) if sides[at] == _CHANNELS), "")


def _no_image(shape: ov.PartialShape, element_type: ov.Type) -> str:
    return (
        f"input of shape {shape} and type {element_type.get_type_name()}; expected one image with 3 channels, float "
        f"or uint8, one at a time. Export the model so."
    )


def _add_batch(model: ov.Model, port: ov.Output) -> None:
    """Put a batch of one image before an input of one image."""
    batched = ops.parameter(ov.PartialShape([1, *port.partial_shape]), port.element_type)
    batched.output(0).get_tensor().set_names(port.get_names())
    _replace(model, port, ops.squeeze(batched, np.array([0])))
    model.add_parameters([batched])


def _replace(model: ov.Model, port: ov.Output, node: ov.Node) -> None:
    for target in port.get_target_inputs():
        target.replace_source_output(node.output(0))
    model.remove_parameter(port.get_node())


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


def _onnxruntime(file: Path, bound: Mapping[str, np.ndarray], *, has_batch: bool) -> tuple[RunAll, str]:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (name,) = (port.name for port in session.get_inputs() if port.name not in bound)

    def run(feed: np.ndarray) -> Sequence[np.ndarray]:
        outputs: Sequence[np.ndarray] = session.run(None, {**bound, name: feed if has_batch else feed[0]})
        return outputs

    return run, f"the ONNX file as it came, by ONNX Runtime {onnxruntime.__version__}"


def _openvino(model: ov.Model) -> tuple[RunAll, str]:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(feed: np.ndarray) -> Sequence[np.ndarray]:
        results = compiled([feed])
        return [np.array(results[index]) for index in range(len(compiled.outputs))]

    return run, f"the file as it came, by OpenVINO {ov.get_version().partition('-')[0]} with decoding in NumPy"
