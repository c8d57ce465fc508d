"""The graph of a network in an export, and the CPU and GPU variants of the function built from it, as data.

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
# Rises with builder/images/*/requirements.in: a machine may have an older base image.
REVISION = 2


@dataclass(frozen=True)
class Graph:
    """A format of a network with the engine contract and float32 weights; paths are relative to the export directory.

    Attributes:
        file: In `folder`; the export has this graph if the file exists.
        engine: File name in `runtime/engines/` of the engine that runs it without conversion.
        engine_folder: The folder that this engine loads.
        for_openvino: The path for `Core.read_model`.
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
    """Return the graph of an export directory.

    Raises:
        BuildError: There is none.
    """
    if (found := find_graph(export)) is None:
        raise BuildError(
            f"{export}: no {' and no '.join(GRAPHS)}; expected the network of a run. Train or import again."
        )
    return found[1]


def find_graph(*places: Path) -> tuple[Path, Graph] | None:
    """Return the first of `places` that holds a graph, and that graph; None if there is none."""
    found = ((place, graph) for place in places for graph in GRAPHS.values())
    return next(((place, graph) for place, graph in found if (place / graph.folder / graph.file).is_file()), None)


@dataclass(frozen=True)
class Variant:
    """How a model is served on one kind of machine.

    Attributes:
        file: Name of its YAML file, as CVAT's deploy scripts expect it.
        engine: File name in `runtime/engines/`.
        framework: CVAT up to 2.14 shows it beside the function.
        suffix: End of the function's id, so that both variants can be deployed to the same CVAT.
        display_suffix: End of the name that CVAT shows.
        base_image: Of the container.
        workers: Requests processed at once; each worker holds its own copy of the model.
        limits: Resource limits of nuclio.
        files: Files that the engine reads, relative to the function directory.
        graphs: Keys of `GRAPHS` that it can be built from.
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
        base_image=f"preannotate/openvino:{OPENVINO}-{REVISION}-py{PYTHON}",
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
        base_image=f"preannotate/tensorflow:{TENSORFLOW}-gpu-{REVISION}-py{PYTHON}",
        # Each worker is a process with its own CUDA context; a GPU is busy with one image anyway.
        workers=1,
        limits={"nvidia.com/gpu": 1},
        files=("saved_model/saved_model.pb",),
        graphs=("saved_model",),
        optional=True,
    ),
}


def possible(graph: Graph) -> list[Variant]:
    """List the variants that can be built from a graph."""
    return [variant for variant in VARIANTS.values() if graph.folder in variant.graphs]


def present(directory: Path) -> list[Variant]:
    """List the variants of a function directory; an optional one is present if any of its own files is."""
    return [
        variant
        for variant in VARIANTS.values()
        if not variant.optional or any((directory / name).exists() for name in (variant.file, *variant.files))
    ]
