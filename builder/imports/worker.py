"""The subprocess that reads an imported model: `python -m builder.imports.worker JOB.json`.

It writes the graph with the engine contract and what the unchanged network detects on the images. If the model cannot
be imported, its last line is `error: …` with the reason in one sentence.
"""

import json
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from builder.child import COULD_NOT_RUN
from builder.confinement import confine
from builder.errors import BuildError
from builder.imports import class_names, unsupported
from builder.imports.adapter_selection import MakeEngine, choose
from builder.imports.adapters import Candidate, describe_outputs, fitting_adapters, reads_masks
from builder.imports.errors import UnsupportedModelError, why_not_run
from builder.imports.layout import Layout, Preprocessing, PreprocessingOptions, Shapes
from builder.imports.reference_engine import ReferenceEngine
from evaluation import ground_truth, reference
from preannotate.core.text import join_list, printable

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class ImportJob:
    """The content of JOB.json; what is None or missing is left to the model or the adapter.

    Attributes:
        kind: See `builder.imports.source.Source`.
        file: The model that is read; a copy unless it is a SavedModel.
        where: The model as the user named it, for messages.
        image_size: (width, height).
        labels: Of all classes of the network.
        preprocessing: `PreprocessingOptions` as JSON.
        first_class: As in `Layout`.
        validation: Folder with `ground_truth.json`; `reference.json` is written there.
        output: Empty folder for the graph and `result.json`.
        kept: Class ids that are answered, in the order of `answered`; empty for all.
        answered: Names of the function's labels; None for `labels`.
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
    kept: list[int] = field(default_factory=list)
    answered: list[str] | None = None


class ImportedNetwork(TypedDict):
    """The content of `result.json`: how the network is fed and decoded."""

    input_size: list[int]
    first_class: int
    adapter: str
    order: NotRequired[str]
    mean: NotRequired[tuple[float, float, float]]
    scale: NotRequired[tuple[float, float, float]]


def main(job_file: str) -> None:
    """Do the job in this process."""
    job = ImportJob(**json.loads(Path(job_file).read_text(encoding="utf-8")))
    size = None if job.image_size is None else (job.image_size[0], job.image_size[1])
    read = _read_saved_model if job.kind == "saved_model" else _read_openvino
    try:
        network = read(job, size)
    except UnsupportedModelError as error:
        print(f"error: {job.where}: {error}", file=sys.stderr)
        sys.exit(COULD_NOT_RUN)
    except Exception as error:  # whatever the libraries raise for a file that is not as it should be
        traceback.print_exc()
        print(f"error: {job.where}: {why_not_run(error)}", file=sys.stderr)
        sys.exit(COULD_NOT_RUN)
    (Path(job.output) / RESULT_FILE).write_text(json.dumps(network), encoding="utf-8")


def _read_openvino(job: ImportJob, size: tuple[int, int] | None) -> ImportedNetwork:
    from builder.imports.openvino_model import OpenVinoGraph, save

    file = Path(job.file)
    graph = OpenVinoGraph(file, size)
    run, description = graph.reference()

    def pixels_of(candidate: Candidate) -> Preprocessing:
        return _preprocessing_options(job).over(graph.usual_pixels(candidate.adapter.PIXELS))

    def make_engine(candidate: Candidate) -> ReferenceEngine:
        layout = _layout(job, graph.input_size, candidate.adapter.FIRST_CLASS)
        prepare = partial(graph.prepare, pixels=pixels_of(candidate))
        return ReferenceEngine(graph.select(run, candidate.match), prepare, candidate.adapter, layout)

    chosen = _choose(job, graph.outputs, graph.input_size, graph.metadata, make_engine, description)
    layout, pixels = _layout(job, graph.input_size, chosen.adapter.FIRST_CLASS), pixels_of(chosen)
    contract = OpenVinoGraph(file, size).with_contract(chosen.adapter, chosen.match, layout, pixels)
    save(contract, Path(job.output) / "ir")
    network = _network(chosen.name, layout)
    network["order"], network["mean"], network["scale"] = pixels.order, pixels.mean, pixels.scale
    return network


def _read_saved_model(job: ImportJob, size: tuple[int, int] | None) -> ImportedNetwork:
    if _preprocessing_options(job) != PreprocessingOptions():
        raise UnsupportedModelError(
            "--channels, --mean or --scale for a SavedModel, which preprocesses images itself; expected none of them. "
            "Leave them out."
        )
    from builder.imports.saved_model import SavedModelGraph, save

    graph = SavedModelGraph(Path(job.file), size)

    def make_engine(candidate: Candidate) -> ReferenceEngine:
        layout = _layout(job, graph.input_size, candidate.adapter.FIRST_CLASS)
        return ReferenceEngine(graph.select(candidate.match), lambda pixels: pixels, candidate.adapter, layout)

    chosen = _choose(job, graph.outputs, graph.input_size, {}, make_engine, graph.description)
    layout = _layout(job, graph.input_size, chosen.adapter.FIRST_CLASS)
    save(graph.with_contract(chosen.adapter, chosen.match, layout), Path(job.output) / "saved_model")
    return _network(chosen.name, layout)


def _choose(
    job: ImportJob,
    outputs: Shapes,
    input_size: tuple[int, int],
    metadata: Mapping[str, str],
    make_engine: MakeEngine,
    description: str,
) -> Candidate:
    """Choose the adapter, and write what the network detects with it."""
    kind = unsupported.recognise(outputs, input_size, metadata, len(job.labels))
    if kind and not (kind == unsupported.SEGMENTATION and reads_masks(outputs, input_size)):
        raise UnsupportedModelError(
            f"{kind}, with outputs {describe_outputs(outputs)}; expected a detector of upright boxes. Import one."
        )
    _check_order(job.labels, metadata)
    find = partial(fitting_adapters, job.kind, outputs, input_size, num_labels=len(job.labels))
    truth = replace(ground_truth.read(Path(job.validation)), labels=tuple(job.answered or job.labels))
    chosen, found = choose(find(wanted=job.adapter), lambda: find(wanted=None), make_engine, truth, job.iou_threshold)
    reference.write(Path(job.validation), reference.Reference(description, found))
    return chosen


def _check_order(labels: Sequence[str], metadata: Mapping[str, str]) -> None:
    """The model's own names tell their order; other names may be the user's choice."""
    try:
        inside = list(class_names.names_inside(metadata, Path("model")))
    except BuildError:
        return
    if inside != list(labels) and sorted(inside) == sorted(labels):
        raise UnsupportedModelError(
            f"the labels {printable(join_list(labels), 60)}, and in the model {printable(join_list(inside), 60)}; "
            f"expected its order. Leave --labels out."
        )


def _network(adapter: str, layout: Layout) -> ImportedNetwork:
    return {"input_size": list(layout.input_size), "first_class": layout.first_class, "adapter": adapter}


def _layout(job: ImportJob, input_size: tuple[int, int], usual: int) -> Layout:
    first_class = usual if job.first_class is None else job.first_class
    return Layout(input_size, len(job.labels), first_class, tuple(job.kept))


def _preprocessing_options(job: ImportJob) -> PreprocessingOptions:
    """As written by `import_model`; JSON has lists for tuples."""
    mean, scale = (tuple(job.preprocessing[key] or ()) or None for key in ("mean", "scale"))
    return PreprocessingOptions(job.preprocessing["order"], mean, scale)


def confined(job_file: str) -> None:
    """Do the job with the limits of `builder.confinement`."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    work = Path(job_file).parent
    confine([work, Path(job["validation"])])
    tempfile.tempdir = str(work)
    main(job_file)


if __name__ == "__main__":
    confined(*sys.argv[1:])
