"""The inputs of an OpenVINO model: the image, at one size and in a batch of one, and others, which become constants.

Imports OpenVINO: for the worker only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import openvino as ov
import openvino.opset13 as ops

from builder.imports.errors import UnsupportedModelError, decisive_line
from preannotate.core.text import first_of, printable

_TYPES = {ov.Type.f32: "float32", ov.Type.f16: "float16", ov.Type.u8: "uint8"}
_CHANNELS = 3
_RANK = 4
# What other inputs mean, from (width, height): the image is as large as the network's input, and not scaled.
_OTHERS: dict[str, Callable[[int, int], tuple[float, ...]]] = {
    # RT-DETR, D-FINE, DEIM.
    "orig_target_sizes": lambda width, height: (width, height),
    # PaddleDetection: height first, as in the sources; scale_factor is (y, x).
    "im_shape": lambda width, height: (height, width),
    "scale_factor": lambda width, height: (1, 1),
    # YOLOv3 and Faster R-CNN of the ONNX and OpenVINO Model Zoos.
    "image_shape": lambda width, height: (height, width),
    "image_info": lambda width, height: (height, width, 1),
}


@dataclass(frozen=True)
class ImageInput:
    """How a network is fed.

    Attributes:
        order: "NCHW" or "NHWC".
        size: (width, height).
        dtype: "float32", "float16" or "uint8".
        has_batch: Whether the file's own input has a batch; that of the changed model always has.
        bound: Other inputs of the file by name, each with the value that it has been bound to.
    """

    order: str
    size: tuple[int, int]
    dtype: str
    has_batch: bool
    bound: Mapping[str, np.ndarray]


def fix_inputs(model: ov.Model, image_size: tuple[int, int] | None) -> ImageInput:
    """Change a model so that its only input is an image of one size, in a batch of one.

    Args:
        model: Is changed.
        image_size: (width, height) if the model leaves the size open.

    Raises:
        UnsupportedModelError: The input is no image, or the meaning of another input is not known.
    """
    port = _image(model)
    shape, element_type = port.partial_shape, port.element_type
    order, size = _order(shape), _size(shape, image_size)
    has_batch = len(shape) == _RANK
    if has_batch and not shape[0].compatible(ov.Dimension(1)):
        raise UnsupportedModelError(_no_image(port))
    if not has_batch:
        _add_batch(model, port)
    bound = _bind_others(model, size)
    width, height = size
    fixed = {"N": 1, "C": _CHANNELS, "H": height, "W": width}
    try:
        model.reshape([fixed[letter] for letter in order])
    except RuntimeError as error:
        raise UnsupportedModelError(
            f"OpenVINO cannot give it the size {width}x{height} ({decisive_line(error)}); expected a size that "
            f"the network takes. Choose another --image-size."
        ) from error
    return ImageInput(order, size, _TYPES[element_type], has_batch, bound)


def _image(model: ov.Model) -> ov.Output:
    images = [port for port in model.inputs if _order(port.partial_shape)]
    if len(images) == 1 and images[0].element_type in _TYPES:
        return images[0]
    if len(model.inputs) == 1:
        raise UnsupportedModelError(_no_image(model.input(0)))
    raise UnsupportedModelError(_too_many(model))


def _size(shape: ov.PartialShape, image_size: tuple[int, int] | None) -> tuple[int, int]:
    height, width = (list(shape)[_order(shape).index(letter) - _RANK] for letter in "HW")
    if image_size is None and not (height.is_static and width.is_static):
        raise UnsupportedModelError(
            f"input of shape {shape}, which leaves the size open; expected one size. Give it with --image-size."
        )
    size = image_size or (width.get_length(), height.get_length())
    if not (width.compatible(ov.Dimension(size[0])) and height.compatible(ov.Dimension(size[1]))):
        raise UnsupportedModelError(
            f"input of shape {shape}; expected no other size with --image-size than this. Leave it out."
        )
    return size


def _order(shape: ov.PartialShape) -> str:
    """Return the order of an image's axes, with or without a batch; "" if it is none."""
    sides = list(shape) if shape.rank.is_static else []
    if len(sides) not in (_RANK, _RANK - 1):
        return ""
    return next((order for order, at in (("NCHW", -3), ("NHWC", -1)) if sides[at] == _CHANNELS), "")


def _bind_others(model: ov.Model, size: tuple[int, int]) -> dict[str, np.ndarray]:
    bound = {}
    for port in [port for port in model.inputs if not _order(port.partial_shape)]:
        name = port.get_any_name() if port.get_names() else ""
        if (meaning := _OTHERS.get(name)) is None:
            raise UnsupportedModelError(_too_many(model))
        bound[name] = np.array([meaning(*size)], port.element_type.to_dtype())
        _replace(model, port, ops.constant(bound[name]))
    return bound


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


def _no_image(port: ov.Output) -> str:
    return (
        f"input of shape {port.partial_shape} and type {port.element_type.get_type_name()}; expected one image with 3 "
        f"channels, float or uint8, one at a time. Export the model so."
    )


def _too_many(model: ov.Model) -> str:
    names = [port.get_any_name() if port.get_names() else "without a name" for port in model.inputs]
    return (
        f"inputs {first_of([printable(name, 40) for name in names], 4)}; expected one, the image, and beside it none "
        f"but {', '.join(_OTHERS)}. Export the model with one input."
    )
