"""Convolutions out of an ONNX file: what is needed to start from a network that another framework trained.

The file is read by the `onnx` package and never run. Weights in other files are refused: such a file may name any file
of this machine. Reference: https://onnx.ai/onnx/repo-docs/IR.html.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from preannotate.core.text import printable
from trainer.errors import TrainingError

if TYPE_CHECKING:
    import onnx

MAX_BYTES = 256 * 1024**2
_MAX_NODES = 20_000
_EPSILON = 1e-5  # of BatchNormalization, where a node names none
_NORM_INPUTS = 5
_MAX_RANK = 8
_DATA_TYPES = (1, 10, 11)  # FLOAT, FLOAT16, DOUBLE


@dataclass(frozen=True)
class Convolution:
    """A convolution with the batch normalisation behind it folded in.

    Attributes:
        kernel: float32 (out, in / groups, H, W).
        bias: float32 (out,); None if it has none.
    """

    kernel: np.ndarray
    bias: np.ndarray | None


def read_convolutions(path: Path, *, max_bytes: int = MAX_BYTES) -> list[Convolution]:
    """Return the 2D convolutions of an ONNX file, in the order in which they run.

    Raises:
        TrainingError: It is no ONNX file, larger than `max_bytes`, or a kernel is not among its own numbers.
    """
    try:
        return _convolutions(_parse(path, max_bytes))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TrainingError(
            f"{printable(path.name)}: {printable(str(reason))}; expected an ONNX file with its weights inside. "
            f"Export the network again, or fetch the file again."
        ) from error


def _parse(path: Path, max_bytes: int) -> "onnx.GraphProto":
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as error:
        raise TrainingError(
            f"{path.name}: the package onnx is not installed; expected it. Run pip install 'preannotate[train]'."
        ) from error
    if not path.is_file():  # a pipe or a device would never end
        raise ValueError("is no file")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"more than {max_bytes // 1024**2} MiB")
    try:
        graph = onnx.ModelProto.FromString(content).graph
    except DecodeError as error:
        raise ValueError("cannot be read") from error
    if not graph.node:
        raise ValueError("no network in it")
    if len(graph.node) > _MAX_NODES:
        raise ValueError(f"{len(graph.node)} operations")
    return graph


def _convolutions(graph: "onnx.GraphProto") -> list[Convolution]:
    constants = _constants(graph)
    norms = {node.input[0]: node for node in graph.node if node.op_type == "BatchNormalization" and node.input}
    uses = Counter(name for node in graph.node for name in node.input)
    found, size = [], 0
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        if len(node.input) < 2 or not node.output:
            raise ValueError("a convolution without a kernel")
        _pixels, kernel, *bias = node.input
        convolution = _checked(_array(constants, kernel), _array(constants, bias[0]) if bias and bias[0] else None)
        if node.output[0] in norms and uses[node.output[0]] == 1:
            convolution = _folded(convolution, norms[node.output[0]], constants)
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


def _folded(
    convolution: Convolution, norm: "onnx.NodeProto", constants: Mapping[str, "onnx.TensorProto"]
) -> Convolution:
    if len(norm.input) < _NORM_INPUTS:
        raise ValueError("a batch normalisation without its numbers")
    gamma, beta, mean, variance = (_array(constants, name) for name in norm.input[1:_NORM_INPUTS])
    epsilon = next((attribute.f for attribute in norm.attribute if attribute.name == "epsilon"), _EPSILON)
    channels = convolution.kernel.shape[:1]
    if {values.shape for values in (gamma, beta, mean, variance)} != {channels} or not variance.min() + epsilon > 0:
        raise ValueError("a batch normalisation that does not fit its convolution")
    scale = gamma / np.sqrt(variance + epsilon)
    bias = 0.0 if convolution.bias is None else convolution.bias
    return _checked(convolution.kernel * scale[:, None, None, None], (bias - mean) * scale + beta)


def _constants(graph: "onnx.GraphProto") -> dict[str, "onnx.TensorProto"]:
    """Return the tensors of the file by the names under which operations read them."""
    constants: dict[str, onnx.TensorProto] = {}

    def keep(names: Iterable[str], tensor: "onnx.TensorProto") -> None:
        for name in names:
            if name in constants:
                raise ValueError(f"two tensors called {name!r}")
            constants[name] = tensor

    for tensor in graph.initializer:
        keep([tensor.name], tensor)
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    keep(node.output, attribute.t)
        elif node.op_type == "Identity" and node.input and node.input[0] in constants:  # equal tensors are kept once
            keep(node.output, constants[node.input[0]])
    return constants


def _array(constants: Mapping[str, "onnx.TensorProto"], name: str) -> np.ndarray:
    """Return a tensor as float32; a ValueError if it is not in the file, or has other numbers than it says."""
    import onnx

    tensor = constants.get(name)
    if tensor is None:
        raise ValueError(f"no weights called {name!r}")
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ValueError("its weights lie in another file")
    shape = tuple(tensor.dims[: _MAX_RANK + 1])
    if len(shape) > _MAX_RANK or min(shape, default=1) < 1:
        raise ValueError(f"a tensor of shape {shape}")
    if tensor.data_type not in _DATA_TYPES:
        raise ValueError("weights that are no floating-point numbers")
    try:
        return onnx.numpy_helper.to_array(tensor).astype(np.float32)
    except (ValueError, TypeError) as error:
        raise ValueError(f"a tensor of shape {shape} with more or fewer numbers than that") from error
