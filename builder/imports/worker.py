"""The subprocess that reads a stranger's model: `python -m builder.imports.worker JOB.json`.

Writes the graph with the engine contract, asks the network as it came about the images, and says in one sentence, as
its last line `error: …`, why it will not.
"""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from builder.child import COULD_NOT_RUN
from builder.imports.adapters import choose_adapter
from builder.imports.errors import UnsupportedModelError
from builder.imports.layout import Layout
from builder.imports.reference import ReferenceEngine
from evaluation import ground_truth, reference, scores
from runtime.detector import Detector
from runtime.manifest import Manifest, Postprocess

RESULT_FILE = "answer.json"


@dataclass(frozen=True)
class ImportJob:
    """What the worker is told; plain JSON in a file.

    Attributes:
        kind: Of the model; see `builder.imports.source`.
        file: What is to be read.
        where: The model in the user's words.
        adapter: Its name; "" looks for one.
        image_size: (width, height), or nothing.
        labels: Names of the classes.
        pixels: Those fields of `Pixels` that the user has set.
        first_class: As in `Layout`, or nothing.
        iou_threshold: For the suppression.
        validation: Folder with `ground_truth.json`; `reference.json` is written there.
        output: Empty folder for the graph and `answer.json`.
    """

    kind: str
    file: str
    where: str
    adapter: str
    image_size: list[int] | None
    labels: list[str]
    pixels: dict[str, Any]
    first_class: int | None
    iou_threshold: float
    validation: str
    output: str


def main(job_file: str) -> None:
    """Do the job in this process."""
    job = ImportJob(**json.loads(Path(job_file).read_text(encoding="utf-8")))
    try:
        _work(job)
    except UnsupportedModelError as error:
        print(f"error: {job.where}: {error}", file=sys.stderr)
        sys.exit(COULD_NOT_RUN)


def _work(job: ImportJob) -> None:
    size = None if job.image_size is None else (job.image_size[0], job.image_size[1])
    if job.kind == "saved_model":
        engine, words, layout, about = _saved_model(job, size)
    else:
        engine, words, layout, about = _openvino(job, size)
    _ask(job, engine, words, layout)
    answer = {"input_size": list(layout.input_size), "first_class": layout.first_class, **about}
    (Path(job.output) / RESULT_FILE).write_text(json.dumps(answer), encoding="utf-8")


def _openvino(job: ImportJob, size: tuple[int, int] | None) -> tuple[ReferenceEngine, str, Layout, dict[str, Any]]:
    from builder.imports.openvino_model import OpenVinoGraph, save
    from builder.imports.openvino_model import openvino_reference as reference_of

    file = Path(job.file)
    graph = OpenVinoGraph(file, size)
    name, adapter, match = _choose(job, graph.outputs, graph.input_size)
    layout = _layout(job, graph.input_size, adapter.FIRST_CLASS)
    pixels = replace(adapter.PIXELS, **{key: _plain(value) for key, value in job.pixels.items()})
    save(OpenVinoGraph(file, size).with_contract(adapter, match, layout, pixels), Path(job.output) / "ir")
    engine, words = reference_of(job.kind, file, graph, adapter, match, layout, pixels)
    about = {"adapter": name, "order": pixels.order, "mean": pixels.mean, "scale": pixels.scale}
    return engine, words, layout, about


def _saved_model(job: ImportJob, size: tuple[int, int] | None) -> tuple[ReferenceEngine, str, Layout, dict[str, Any]]:
    if job.pixels:
        raise UnsupportedModelError(
            "--channels, --mean or --scale for a SavedModel, which takes pixels as they are; expected none of them. "
            "Leave them out."
        )
    from builder.imports.saved_model import SavedModelGraph, save

    graph = SavedModelGraph(Path(job.file), size)
    name, adapter, match = _choose(job, graph.outputs, graph.input_size)
    layout = _layout(job, graph.input_size, adapter.FIRST_CLASS)
    save(graph.with_contract(adapter, match, layout), Path(job.output) / "saved_model")
    engine, words = graph.reference(adapter, match, layout)
    return engine, words, layout, {"adapter": name}


def _choose(job: ImportJob, outputs: Any, input_size: tuple[int, int]) -> tuple[str, Any, Any]:
    return choose_adapter(job.kind, outputs, input_size, num_labels=len(job.labels), wanted=job.adapter or None)


def _layout(job: ImportJob, input_size: tuple[int, int], usual: int) -> Layout:
    return Layout(input_size, len(job.labels), usual if job.first_class is None else job.first_class)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _ask(job: ImportJob, engine: ReferenceEngine, words: str, layout: Layout) -> None:
    truth = ground_truth.read(Path(job.validation))
    # Thresholds are chosen later; `detect_all` goes down to a score of its own.
    cut = Postprocess(0.5, (0.5,) * len(job.labels), job.iou_threshold)
    detector = Detector(engine, Manifest("reference", tuple(job.labels), layout.input_size, cut))
    found = scores.detect_all(detector, truth)
    reference.write(Path(job.validation), reference.Reference(words, found))


if __name__ == "__main__":
    main(*sys.argv[1:])
