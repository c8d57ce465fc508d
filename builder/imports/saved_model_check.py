"""A copy of a stranger's SavedModel that has only allowed operations, made before TensorFlow loads anything.

Loading a SavedModel runs its initialisers. The functions that write checkpoints, which every SavedModel has, are cut
out of the copy; whatever else is not in `allowed_operations` is refused, wherever it stands. Imports TensorFlow's
protocol buffers: for the worker only.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from builder.imports.allowed_operations import ALLOWED, CHECKPOINTS
from builder.imports.errors import GUIDE, UnsupportedModelError
from preannotate.core.text import first_of, printable

GRAPH_FILE = "saved_model.pb"
# Without its variables; protocol buffers end at 2 GB.
_MAX_BYTES = 512 * 1024 * 1024
_VARIABLES = "variables"


def copy_checked(folder: Path, target: Path) -> None:
    """Write `target`, which TensorFlow can load: the graph without what writes checkpoints, and links to variables.

    Raises:
        UnsupportedModelError: It is no SavedModel, or has other operations than those of detectors.
    """
    model = _read(folder / GRAPH_FILE)
    for graph in model.meta_graphs:
        _cut_out_checkpoints(graph)
        _refuse_unknown(graph)
    target.mkdir()
    (target / GRAPH_FILE).write_bytes(model.SerializeToString())
    (target / _VARIABLES).mkdir()
    for file in (folder / _VARIABLES).glob("variables.*"):
        if file.is_file():  # no pipe, from which reading would never end
            (target / _VARIABLES / file.name).symlink_to(file.resolve())


def _read(file: Path) -> saved_model_pb2.SavedModel:
    model = saved_model_pb2.SavedModel()
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise UnsupportedModelError(f"{GRAPH_FILE}: more than {_MAX_BYTES} bytes; expected a detector's graph.")
        model.ParseFromString(file.read_bytes())
    except (DecodeError, OSError) as error:
        raise UnsupportedModelError(f"{GRAPH_FILE}: not readable; expected a SavedModel. Export it again.") from error
    return model


def _cut_out_checkpoints(graph: Any) -> None:
    """Remove functions and nodes that have to do with checkpoints, with all that depend on them.

    A graph of TensorFlow 1 restores its variables by an operation in it, which stays if it reads the file that the
    loader tells it.
    """
    library = graph.graph_def.library
    of_tensorflow_2 = graph.HasField("object_graph_def")
    restored_from = graph.saver_def.filename_tensor_name

    def is_checkpoint(node: Any) -> bool:
        is_restore = node.op == "RestoreV2" and not of_tensorflow_2 and bool(node.input)
        return node.op in CHECKPOINTS and not (is_restore and _same_tensor(node.input[0], restored_from))

    functions = {function.signature.name: function.node_def for function in library.function}
    removed = {name for name, nodes in functions.items() if any(map(is_checkpoint, nodes))}
    while more := {
        name for name, nodes in functions.items() if name not in removed and not removed.isdisjoint(_calls(nodes))
    }:
        removed |= more
    used = removed.intersection(_functions_of_objects(graph))
    nodes = {node.name for node in graph.graph_def.node if is_checkpoint(node) or not removed.isdisjoint(_called(node))}
    while more := {
        node.name
        for node in graph.graph_def.node
        if node.name not in nodes and any(_node_name(source) in nodes for source in node.input)
    }:
        nodes |= more
    ends = {
        _node_name(tensor.name) for signature in graph.signature_def.values() for tensor in signature.outputs.values()
    }
    if used or ends & nodes:
        while more := {name for used_name in used for name in _calls(functions[used_name])} & removed - used:
            used |= more
        operations = {node.op for name in used for node in functions[name]}
        raise _refusal(CHECKPOINTS & (operations or _operations(graph)))
    _keep(library.function, lambda function: function.signature.name not in removed)
    _keep(library.gradient, lambda gradient: removed.isdisjoint((gradient.function_name, gradient.gradient_func)))
    _keep(graph.graph_def.node, lambda node: node.name not in nodes)
    if of_tensorflow_2:
        graph.ClearField("saver_def")


def _refuse_unknown(graph: Any) -> None:
    functions = {function.signature.name for function in graph.graph_def.library.function}
    # A function is called by its name too; under the name of an operation it would not be known which of both runs.
    own = {name for name in functions if op_def_registry.get(name) is None}
    restores = set() if graph.HasField("object_graph_def") else {"RestoreV2"}
    if unknown := _operations(graph) - ALLOWED - own - restores:
        raise _refusal(unknown)


def _refusal(operations: Iterable[str]) -> UnsupportedModelError:
    shown = first_of([printable(name, 40) for name in sorted(operations)], 3)
    return UnsupportedModelError(
        f"the graph has operations that no detector needs: {shown}; expected arithmetic only. Export to ONNX: {GUIDE}."
    )


def _operations(graph: Any) -> set[str]:
    nodes = (graph.graph_def.node, *(function.node_def for function in graph.graph_def.library.function))
    return {node.op for listed in nodes for node in listed}


def _called(node: Any) -> set[str]:
    """Names of the functions that a node may run, or its operation, which may be the name of one."""
    attributes = node.attr.values()
    direct = {value.func.name for value in attributes if value.HasField("func")}
    listed = {function.name for value in attributes if value.HasField("list") for function in value.list.func}
    return {node.op} | direct | listed


def _calls(nodes: Iterable[Any]) -> set[str]:
    return {name for node in nodes for name in _called(node)}


def _functions_of_objects(graph: Any) -> set[str]:
    """Names of the functions that the objects of a SavedModel of TensorFlow 2 consist of."""
    objects = graph.object_graph_def
    names = set(objects.concrete_functions)
    for item in objects.nodes:
        names |= set(item.function.concrete_functions) | {item.bare_concrete_function.concrete_function_name}
    return names


def _keep(repeated: Any, wanted: Callable[[Any], bool]) -> None:
    for index in reversed(range(len(repeated))):
        if not wanted(repeated[index]):
            del repeated[index]


def _node_name(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def _same_tensor(first: str, second: str) -> bool:
    return bool(second) and first.removesuffix(":0") == second.removesuffix(":0")
