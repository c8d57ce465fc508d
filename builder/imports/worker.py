"""The subprocess that reads an imported model: `python -m builder.imports.worker JOB.json`.

It writes the graph with the engine contract and what the unchanged network detects on the images. If the model cannot
be imported, its last line is `error: …` with the reason in one sentence.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from builder.child import COULD_NOT_RUN
from builder.imports.adapters import ReferenceEngine, choose_adapter
from builder.imports.layout import Layout, PreprocessingOptions, UnsupportedModelError
from evaluation import ground_truth, reference, scores
from runtime.detector import Detector
from runtime.manifest import Manifest, Postprocess

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class ImportJob:
    """The content of JOB.json; what is None or missing is left to the model or the adapter.

    Attributes:
        kind: See `builder.imports.source.Source`.
        file: The model that is read; a copy unless it is a SavedModel.
        where: The model as the user named it, for messages.
        image_size: (width, height).
        preprocessing: `PreprocessingOptions` as JSON.
        first_class: As in `Layout`.
        validation: Folder with `ground_truth.json`; `reference.json` is written there.
        output: Empty folder for the graph and `result.json`.
    """

    kind: str
    file: str
    where: str
    adapter: str | None
    image_size: list[int] | None
    labels: list[str]
    preprocessing: dict[str, Any]
    first_class: int | None
    iou_threshold: float
    validation: str
    output: str


class ImportedNetwork(TypedDict):
    """The content of `result.json`: how the network is fed and decoded."""

    input_size: list[int]
    first_class: int
    adapter: str
    order: NotRequired[str]
    mean: NotRequired[tuple[float, float, float]]
    scale: NotRequired[tuple[float, float, float]]


# The unchanged network, what runs it, the layout of its outputs, and the content of `result.json`.
_ReadModel = tuple[ReferenceEngine, str, Layout, ImportedNetwork]


def main(job_file: str) -> None:
    """Do the job in this process."""
    job = ImportJob(**json.loads(Path(job_file).read_text(encoding="utf-8")))
    size = None if job.image_size is None else (job.image_size[0], job.image_size[1])
    read = _read_saved_model if job.kind == "saved_model" else _read_openvino
    try:
        engine, description, layout, network = read(job, size)
        _write_reference(job, engine, description, layout)
    except UnsupportedModelError as error:
        print(f"error: {job.where}: {error}", file=sys.stderr)
        sys.exit(COULD_NOT_RUN)
    (Path(job.output) / RESULT_FILE).write_text(json.dumps(network), encoding="utf-8")


def _read_openvino(job: ImportJob, size: tuple[int, int] | None) -> _ReadModel:
    from builder.imports.openvino_model import OpenVinoGraph, save

    file = Path(job.file)
    graph = OpenVinoGraph(file, size)
    name, adapter, match = _choose(job, graph.outputs, graph.input_size)
    layout = _layout(job, graph.input_size, adapter.FIRST_CLASS)
    pixels = _preprocessing_options(job).over(adapter.PIXELS)
    save(OpenVinoGraph(file, size).with_contract(adapter, match, layout, pixels), Path(job.output) / "ir")
    engine, description = graph.reference(adapter, match, layout, pixels)
    network = _network(name, layout)
    network["order"], network["mean"], network["scale"] = pixels.order, pixels.mean, pixels.scale
    return engine, description, layout, network


def _read_saved_model(job: ImportJob, size: tuple[int, int] | None) -> _ReadModel:
    if _preprocessing_options(job) != PreprocessingOptions():
        raise UnsupportedModelError(
            "--channels, --mean or --scale for a SavedModel, which preprocesses images itself; expected none of them. "
            "Leave them out."
        )
    from builder.imports.saved_model import SavedModelGraph, save

    graph = SavedModelGraph(Path(job.file), size)
    name, adapter, match = _choose(job, graph.outputs, graph.input_size)
    layout = _layout(job, graph.input_size, adapter.FIRST_CLASS)
    save(graph.with_contract(adapter, match, layout), Path(job.output) / "saved_model")
    engine, description = graph.reference(adapter, match, layout)
    return engine, description, layout, _network(name, layout)


def _network(adapter: str, layout: Layout) -> ImportedNetwork:
    return {"input_size": list(layout.input_size), "first_class": layout.first_class, "adapter": adapter}


def _choose(job: ImportJob, outputs: Any, input_size: tuple[int, int]) -> tuple[str, Any, Any]:
    return choose_adapter(job.kind, outputs, input_size, num_labels=len(job.labels), wanted=job.adapter)


def _layout(job: ImportJob, input_size: tuple[int, int], usual: int) -> Layout:
    return Layout(input_size, len(job.labels), usual if job.first_class is None else job.first_class)


def _preprocessing_options(job: ImportJob) -> PreprocessingOptions:
    """As written by `import_model`; JSON has lists for tuples."""
    mean, scale = (tuple(job.preprocessing[key] or ()) or None for key in ("mean", "scale"))
    return PreprocessingOptions(job.preprocessing["order"], mean, scale)


def _write_reference(job: ImportJob, engine: ReferenceEngine, description: str, layout: Layout) -> None:
    truth = ground_truth.read(Path(job.validation))
    # Thresholds are chosen later; `detect_all` goes down to a score of its own.
    cut = Postprocess(0.5, (0.5,) * len(job.labels), job.iou_threshold)
    detector = Detector(engine, Manifest("reference", tuple(job.labels), layout.input_size, cut))
    found = scores.detect_all(detector, truth)
    reference.write(Path(job.validation), reference.Reference(description, found))


if __name__ == "__main__":
    main(*sys.argv[1:])
