"""The flavours of one function: what differs between them, as data.

Every function has the CPU variant; the others are there where its network can be run by their engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.graph import Graph
from builder.versions import OPENVINO, PYTHON, TENSORFLOW


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
        graphs: Names of the graphs (`builder.graph`) that it can be made from.
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
