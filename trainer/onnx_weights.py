"""Convolutions out of an ONNX file: what is needed to start from a network that another framework trained.

Of the file's graph only nodes and constant tensors are read, and nothing is run. Weights in other files are refused:
such a file may name any file of this machine. Reference: https://onnx.ai/onnx/repo-docs/IR.html; the numbers of fields
are those of onnx.proto.
"""

import math
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from preannotate.core.files import read_limited
from preannotate.core.text import printable
from trainer.errors import TrainingError
from trainer.protobuf import Message

MAX_BYTES = 256 * 1024**2
# A detector of 100 million weights has some 30,000.
_MAX_FIELDS = 200_000
_EPSILON = 1e-5  # of BatchNormalization, where a node names none
_MAX_DIMENSIONS = 8
_EXTERNAL = 1
# Types of tensors, and in which field their numbers may lie when they are not in `raw_data`.
_FLOAT, _FLOAT16, _DOUBLE = 1, 10, 11
_DTYPES: dict[int, np.dtype[Any]] = {_FLOAT: np.dtype("<f4"), _FLOAT16: np.dtype("<f2"), _DOUBLE: np.dtype("<f8")}
_RAW_DATA = 9
_DATA_FIELDS = {_FLOAT: 4, _DOUBLE: 10}
# Other fields of ModelProto, GraphProto, NodeProto, AttributeProto and TensorProto.
_GRAPH = 7
_NODE, _INITIALIZER = 1, 5
_INPUT, _OUTPUT, _OP_TYPE, _ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_FLOAT, _ATTRIBUTE_TENSOR = 1, 2, 5
_DIMS, _DATA_TYPE, _NAME, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 13, 14
_NORM_INPUTS = 5


@dataclass(frozen=True)
class Convolution:
    """A convolution with the batch normalisation behind it folded in.

    Attributes:
        kernel: float32 (out, in / groups, H, W).
        bias: float32 (out,); None if it has none.
    """

    kernel: np.ndarray
    bias: np.ndarray | None


@dataclass
class _Tensor:
    """A tensor as the file describes it; its numbers are not copied."""

    name: str = ""
    dims: list[int] = field(default_factory=list)
    data_type: int = 0
    data: dict[int, memoryview] = field(default_factory=dict)
    external: bool = False


@dataclass
class _Node:
    """An operation."""

    kind: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    tensor: _Tensor | None = None
    epsilon: float = _EPSILON


def read_convolutions(path: Path, *, max_bytes: int = MAX_BYTES) -> list[Convolution]:
    """Return the 2D convolutions of an ONNX file, in the order in which they run.

    Raises:
        TrainingError: It is no ONNX file, larger than `max_bytes`, or a kernel is not among its own numbers.
    """
    try:
        nodes, tensors = _read_graph(read_limited(path, max_bytes))
        return _convolutions(nodes, _constants(nodes, tensors))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TrainingError(
            f"{printable(path.name)}: {printable(str(reason))}; expected an ONNX file with its weights inside. "
            f"Export the network again, or fetch the file again."
        ) from error


def _read_graph(content: bytes) -> tuple[list[_Node], list[_Tensor]]:
    nodes, tensors = [], []
    for number, graph in Message(memoryview(content), _MAX_FIELDS).fields():
        if number != _GRAPH or not isinstance(graph, Message):
            continue
        for part, message in graph.fields():
            if part == _NODE and isinstance(message, Message):
                nodes.append(_read_node(message))
            elif part == _INITIALIZER and isinstance(message, Message):
                tensors.append(_read_tensor(message))
    if not nodes:
        raise ValueError("no network in it")
    return nodes, tensors


def _read_node(message: Message) -> _Node:
    node = _Node()
    for number, value in message.fields():
        if not isinstance(value, Message):
            continue
        if number == _INPUT:
            node.inputs.append(value.text())
        elif number == _OUTPUT:
            node.outputs.append(value.text())
        elif number == _OP_TYPE:
            node.kind = value.text()
        elif number == _ATTRIBUTE:
            _read_attribute(node, dict(value.fields()))
    return node


def _read_attribute(node: _Node, attribute: Mapping[int, "int | Message"]) -> None:
    name, number, tensor = (attribute.get(key) for key in (_ATTRIBUTE_NAME, _ATTRIBUTE_FLOAT, _ATTRIBUTE_TENSOR))
    if not isinstance(name, Message):
        return
    if name.text() == "value" and isinstance(tensor, Message):
        node.tensor = _read_tensor(tensor)
    elif name.text() == "epsilon" and isinstance(number, Message) and len(number.content) == 4:
        (node.epsilon,) = struct.unpack("<f", number.content)


def _read_tensor(message: Message) -> _Tensor:
    tensor = _Tensor()
    for number, value in message.fields():
        if number == _DIMS:
            tensor.dims.extend(value.varints() if isinstance(value, Message) else [value])
        elif number == _DATA_TYPE and isinstance(value, int):
            tensor.data_type = value
        elif number == _NAME and isinstance(value, Message):
            tensor.name = value.text()
        elif number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == _EXTERNAL):
            tensor.external = True
        elif number in (_RAW_DATA, *_DATA_FIELDS.values()) and isinstance(value, Message):
            tensor.data[number] = value.content
    return tensor


def _constants(nodes: Iterable[_Node], tensors: Iterable[_Tensor]) -> dict[str, _Tensor]:
    """Return the tensors of the file by the names under which operations read them."""
    constants: dict[str, _Tensor] = {}

    def keep(name: str, tensor: _Tensor) -> None:
        if name in constants:
            raise ValueError(f"two tensors called {name!r}")
        constants[name] = tensor

    for tensor in tensors:
        keep(tensor.name, tensor)
    for node in nodes:
        if node.kind == "Constant" and node.tensor is not None and node.outputs:
            keep(node.outputs[0], node.tensor)
        elif node.kind == "Identity" and node.outputs and node.inputs and node.inputs[0] in constants:
            keep(node.outputs[0], constants[node.inputs[0]])  # exporters keep equal tensors once
    return constants


def _convolutions(nodes: list[_Node], constants: Mapping[str, _Tensor]) -> list[Convolution]:
    norms = {node.inputs[0]: node for node in nodes if node.kind == "BatchNormalization" and node.inputs}
    uses = Counter(name for node in nodes for name in node.inputs)
    found, size = [], 0
    for node in nodes:
        if node.kind != "Conv":
            continue
        if len(node.inputs) < 2 or not node.outputs:
            raise ValueError("a convolution without a kernel")
        _pixels, kernel, *bias = node.inputs
        convolution = _checked(_array(constants, kernel), _array(constants, bias[0]) if bias and bias[0] else None)
        if node.outputs[0] in norms and uses[node.outputs[0]] == 1:
            convolution = _folded(convolution, norms[node.outputs[0]], constants)
        found.append(convolution)
        size += convolution.kernel.nbytes
        if size > MAX_BYTES:  # convolutions may share one kernel, of which each has a copy here
            raise ValueError(f"more than {MAX_BYTES // 1024**2} MiB of kernels")
    if not found:
        raise ValueError("no convolution in it")
    return found


def _checked(kernel: np.ndarray, bias: np.ndarray | None) -> Convolution:
    if kernel.ndim != 4:
        raise ValueError(f"a convolution with a kernel of shape {kernel.shape}")
    if bias is not None and bias.shape != kernel.shape[:1]:
        raise ValueError(f"a convolution with a kernel of shape {kernel.shape} and a bias of shape {bias.shape}")
    if not (np.isfinite(kernel).all() and (bias is None or np.isfinite(bias).all())):
        raise ValueError("weights that are not finite")
    return Convolution(kernel, bias)


def _folded(convolution: Convolution, norm: _Node, constants: Mapping[str, _Tensor]) -> Convolution:
    if len(norm.inputs) != _NORM_INPUTS:
        raise ValueError("a batch normalisation without its numbers")
    gamma, beta, mean, variance = (_array(constants, name) for name in norm.inputs[1:])
    channels = convolution.kernel.shape[:1]
    if {values.shape for values in (gamma, beta, mean, variance)} != {channels}:
        raise ValueError("a batch normalisation that does not fit its convolution")
    bias = 0.0 if convolution.bias is None else convolution.bias
    with np.errstate(all="ignore"):  # what is not finite is refused
        scale = gamma / np.sqrt(variance + norm.epsilon)
        return _checked(convolution.kernel * scale[:, None, None, None], (bias - mean) * scale + beta)


def _array(constants: Mapping[str, _Tensor], name: str) -> np.ndarray:
    """Return a tensor as float32; a ValueError if it is not in the file, or has other numbers than it says."""
    tensor = constants.get(name)
    if tensor is None:
        raise ValueError(f"no weights called {name!r}")
    if tensor.external:
        raise ValueError("its weights lie in another file")
    dtype = _DTYPES.get(tensor.data_type)
    if dtype is None:
        raise ValueError("weights that are no floating-point numbers")
    data = tensor.data.get(_RAW_DATA, tensor.data.get(_DATA_FIELDS.get(tensor.data_type, _RAW_DATA), memoryview(b"")))
    shape = tuple(tensor.dims[: _MAX_DIMENSIONS + 1])
    if len(shape) > _MAX_DIMENSIONS or math.prod(shape) * dtype.itemsize != len(data) or not len(data):
        raise ValueError(f"a tensor of shape {shape} with {len(data) // dtype.itemsize} numbers")
    with np.errstate(all="ignore"):
        return np.frombuffer(data, dtype).reshape(shape).astype(np.float32)
