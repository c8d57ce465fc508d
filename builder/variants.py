"""Graph and variants: the forms of one network in an export, and the flavours of the function made from it.

An export holds a SavedModel, or an OpenVINO IR if the network never was a SavedModel. OpenVINO reads both and
TensorFlow only the first, so the graph alone decides which variants can be built. Every function has the CPU variant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError

# What a container holds; `tests/builder/deploy/test_images.py` compares it with pyproject.toml and builder/images.
# nuclio 1.13 to 1.16 all have wheels for it. The runtime's minor version must equal the base image's Python.
PYTHON = "3.11"
OPENVINO = "2026.4"
TENSORFLOW = "2.21"


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


@dataclass(frozen=True)
class Variant:
    """How one model is served on one kind of machine.

    Attributes:
        file: Name of its YAML file, as CVAT's deploy scripts look for it.
        engine: File name in `runtime/engines/`.
        framework: What CVAT shows beside the function (up to CVAT 2.14).
        suffix: Ends the function's name, so that the variants live side by side in CVAT.
        display_suffix: The same for people.
        base_image: What the container starts from.
        workers: Requests answered at once; each worker holds its own copy of the model.
        limits: Resource limits of nuclio.
        files: What the engine reads from the function directory.
        graphs: Names of the graphs (`builder.variants`) that it can be made from.
        optional: Whether a function may lack it.
    """

    file: str
    engine: str
    framework: str
    suffix: str
    display_suffix: str
    base_image: str
    workers: int
    limits: Mapping[str, int]
    files: tuple[str, ...]
    graphs: tuple[str, ...]
    optional: bool


VARIANTS = {
    "cpu": Variant(
        file="function.yaml",
        engine="openvino",
        framework="openvino",
        suffix="",
        display_suffix="",
        base_image=f"preannotate/openvino:{OPENVINO}-py{PYTHON}",
        # One for automatic annotation, which sends image by image, and one for an annotator at the same time.
        workers=2,
        limits={},
        files=("model.xml", "model.bin"),
        graphs=("saved_model", "ir"),
        # The code in every container reads the labels from its file.
        optional=False,
    ),
    "gpu": Variant(
        file="function-gpu.yaml",
        engine="tensorflow",
        framework="tensorflow",
        suffix="-gpu",
        display_suffix=" (GPU)",
        base_image=f"preannotate/tensorflow:{TENSORFLOW}-gpu-py{PYTHON}",
        # Each worker is a process with its own CUDA context; a GPU is busy with one image anyway.
        workers=1,
        limits={"nvidia.com/gpu": 1},
        files=("saved_model/saved_model.pb",),
        graphs=("saved_model",),
        optional=True,
    ),
}


def possible(graph: Graph) -> list[Variant]:
    """The variants that can be made from a graph."""
    return [variant for variant in VARIANTS.values() if graph.folder in variant.graphs]


def present(directory: Path) -> list[Variant]:
    """The variants of a function directory: an optional one counts if any of its own files is there."""
    return [
        variant
        for variant in VARIANTS.values()
        if not variant.optional or any((directory / name).exists() for name in (variant.file, *variant.files))
    ]
