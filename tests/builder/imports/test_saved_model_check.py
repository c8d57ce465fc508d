"""Graphs of strangers, written as protocol buffers: nothing here is loaded by TensorFlow but what `copy_checked` wrote.

The graph of a SavedModel of TensorFlow 2 in short: a function `detect`, which the signature runs, `save` and
`restore` for checkpoints, and nodes that call them.
"""

import pytest

pytest.importorskip("tensorflow")

from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from builder.imports.allowed_operations import ALLOWED, CHECKPOINTS
from builder.imports.errors import UnsupportedModelError
from builder.imports.saved_model_check import GRAPH_FILE, copy_checked


def model(**functions):
    """Functions by name, each a list of nodes: an operation, or (operation, function that it runs)."""
    content = saved_model_pb2.SavedModel()
    graph = content.meta_graphs.add()
    functions = {"detect": ["Conv2D"], "save": ["SaveV2"], "restore": ["RestoreV2", "AssignVariableOp"]} | functions
    for name, nodes in functions.items():
        function = graph.graph_def.library.function.add()
        function.signature.name = name
        for number, node in enumerate(nodes):
            operation, runs = (node, "") if isinstance(node, str) else node
            added = function.node_def.add(name=f"node{number}", op=operation)
            if runs:
                added.attr["f"].func.name = runs
    for name in ("save", "restore", "detect"):
        graph.graph_def.node.add(name=f"call_{name}", op="StatefulPartitionedCall").attr["f"].func.name = name
    graph.graph_def.node.add(name="after_save", op="Identity", input=["^call_save"])
    graph.saver_def.save_tensor_name = "after_save:0"
    graph.object_graph_def.concrete_functions["detect"].SetInParent()
    graph.object_graph_def.nodes.add().function.concrete_functions.append("detect")
    graph.signature_def["serving_default"].outputs["boxes"].name = "call_detect:0"
    return content


def checked(content, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / GRAPH_FILE).write_bytes(content.SerializeToString())
    copy_checked(folder, tmp_path / "copy")
    written = saved_model_pb2.SavedModel()
    written.ParseFromString((tmp_path / "copy" / GRAPH_FILE).read_bytes())
    return written.meta_graphs[0]


def test_every_operation_that_is_allowed_exists():
    """A name that is written wrongly would refuse a good model."""
    assert {name for name in ALLOWED | CHECKPOINTS if op_def_registry.get(name) is None} == set()


def test_nothing_that_is_allowed_reads_writes_or_calls_out():
    words = ("File", "Read", "Write", "Save", "Restore", "Py", "Rpc", "Remote", "Dataset", "Print", "Summary", "Debug")
    words = (*words, "Decode", "Encode", "Queue", "Send", "Recv", "Collective", "Immutable", "Xla", "Tpu", "Table")
    found = {name for name in ALLOWED for word in words if word in name}
    assert found == {"ReadVariableOp", "DisableCopyOnRead", "TensorArrayReadV3", "TensorArrayWriteV3"}
    assert not ALLOWED & CHECKPOINTS


def test_what_writes_checkpoints_is_cut_out(tmp_path):
    graph = checked(model(), tmp_path)
    assert [function.signature.name for function in graph.graph_def.library.function] == ["detect"]
    assert [node.name for node in graph.graph_def.node] == ["call_detect"]
    assert not graph.HasField("saver_def")


HOSTILE = {
    "in the signature": ({"detect": ["Conv2D", "WriteFile"]}, "WriteFile"),
    "to a file by print": ({"detect": ["StringFormat", "PrintV2"]}, "PrintV2, StringFormat"),
    "in a function that nothing calls": ({"idle": ["PyFunc"]}, "PyFunc"),
    "in a function of a branch": ({"detect": [("If", "branch")], "branch": ["ReadFile"]}, "ReadFile"),
    "a checkpoint of its own": ({"detect": ["SaveV2"]}, "SaveV2"),
    "a checkpoint in a function of it": ({"detect": [("While", "body")], "body": ["RestoreV2"]}, "RestoreV2"),
    "the function of checkpoints": ({"detect": [("PartitionedCall", "save")]}, "SaveV2"),
    "a function by its name": ({"detect": ["save"]}, "SaveV2"),
    "a function with the name of an operation": ({"detect": ["WriteFile"], "WriteFile": ["Conv2D"]}, "WriteFile"),
    "an operation of nobody": ({"detect": ["Conv2D", "ACME>Evil"]}, "ACME>Evil"),
    "another machine": ({"detect": [("RemoteCall", "idle")], "idle": ["NoOp"]}, "RemoteCall"),
    "a mapped file": ({"detect": ["ImmutableConst"]}, "ImmutableConst"),
    "a log to a URL": ({"detect": ["DebugIdentity"]}, "DebugIdentity"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_other_operations_are_refused_wherever_they_stand(tmp_path, case):
    functions, named = HOSTILE[case]
    with pytest.raises(UnsupportedModelError) as error:
        checked(model(**functions), tmp_path)
    assert str(error.value) == (
        f"the graph has operations that no detector needs: {named}; expected arithmetic only. Export to ONNX: "
        "docs/importing.md#what-the-outputs-mean."
    )
    assert not (tmp_path / "copy").exists()


def test_a_signature_that_ends_in_a_checkpoint_is_refused(tmp_path):
    content = model()
    content.meta_graphs[0].signature_def["serving_default"].outputs["boxes"].name = "after_save:0"
    with pytest.raises(UnsupportedModelError, match="RestoreV2, SaveV2"):
        checked(content, tmp_path)


def test_tensorflow_1_restores_from_the_file_that_the_loader_names(tmp_path):
    def old(prefix):
        content = model(save=["NoOp"], restore=["NoOp"])
        graph = content.meta_graphs[0]
        graph.ClearField("object_graph_def")
        graph.saver_def.filename_tensor_name = "save/Const:0"
        graph.graph_def.node.add(name="save/Const", op="Const")
        graph.graph_def.node.add(name="save/SaveV2", op="SaveV2", input=["save/Const"])
        graph.graph_def.node.add(name="save/control_dependency", op="Identity", input=["save/Const", "^save/SaveV2"])
        graph.graph_def.node.add(name="save/RestoreV2", op="RestoreV2", input=[prefix, "names"])
        graph.graph_def.node.add(name="save/restore_all", op="NoOp", input=["^save/RestoreV2"])
        return content

    (tmp_path / "own").mkdir()
    names = {node.name for node in checked(old("save/Const:0"), tmp_path / "own").graph_def.node}
    assert names >= {"save/Const", "save/RestoreV2", "save/restore_all"}
    assert not names & {"save/SaveV2", "save/control_dependency"}
    names = {node.name for node in checked(old("another"), tmp_path).graph_def.node}
    assert not names & {"save/RestoreV2", "save/restore_all"}


def test_only_whole_files_of_variables_are_linked(tmp_path):
    import os

    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / GRAPH_FILE).write_bytes(model().SerializeToString())
    (folder / "variables" / "variables.index").write_bytes(b"index")
    os.mkfifo(folder / "variables" / "variables.data-00000-of-00001")
    (folder / "variables" / "other").write_bytes(b"other")
    copy_checked(folder, tmp_path / "copy")
    assert [file.name for file in (tmp_path / "copy" / "variables").iterdir()] == ["variables.index"]


@pytest.mark.parametrize("data", [b"no graph \xff", b"\x0a\xff\xff\xff\xff\x0f"])
def test_what_is_no_saved_model(tmp_path, data):
    (tmp_path / GRAPH_FILE).write_bytes(data)
    with pytest.raises(UnsupportedModelError, match=r"^saved_model.pb: not readable; expected a SavedModel\."):
        copy_checked(tmp_path, tmp_path / "copy")
