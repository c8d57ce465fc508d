"""The network as an export holds it: a SavedModel, or an IR where there never was a SavedModel.

Which variants a function has follows from this alone: OpenVINO reads both, TensorFlow reads the first.
"""

from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError


@dataclass(frozen=True)
class Graph:
    """One form of a network with the engine contract, weights in float32.

    Attributes:
        folder: Its name in an export directory.
        file: In `folder`; without it there is no such graph.
        engine: File name in `runtime/engines/` of what runs it as it is.
        engine_folder: Where that engine looks for it, relative to the export directory.
        for_openvino: What `Core.read_model` takes, relative to the export directory.
    """

    folder: str
    file: str
    engine: str
    engine_folder: str
    for_openvino: str


GRAPHS = {
    "saved_model": Graph("saved_model", "saved_model.pb", "tensorflow", ".", "saved_model"),
    "ir": Graph("ir", "model.xml", "openvino", "ir", "ir/model.xml"),
}


def open_graph(export: Path) -> Graph:
    """The graph of an export directory.

    Raises:
        BuildError: There is none.
    """
    if (found := find_graph(export)) is None:
        raise BuildError(
            f"{export}: no {' and no '.join(GRAPHS)}; expected the network of a run. Train or import again."
        )
    return found[1]


def find_graph(*places: Path) -> tuple[Path, Graph] | None:
    """The first of `places` that holds a graph, and that graph; None if none does."""
    for place in places:
        for graph in GRAPHS.values():
            if (place / graph.folder / graph.file).is_file():
                return place, graph
    return None
