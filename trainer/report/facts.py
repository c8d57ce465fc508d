"""The content of a finished run's folder, read once; the page is made of this alone."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluation import ground_truth, reference
from evaluation.corrections import CorrectionCosts
from evaluation.ground_truth import GroundTruth
from preannotate.core.errors import FileError
from preannotate.core.files import read_json
from runtime.detector import Detection
from runtime.manifest import FILE_NAME, Manifest
from trainer.config import RunConfig
from trainer.errors import TrainingError
from trainer.metrics import MetricsRow
from trainer.run_directory import RunDirectory, Summary

COSTS_KEY = "correction_costs"


@dataclass(frozen=True)
class RunFacts:
    """A finished run.

    Attributes:
        name: Of the run's folder when it was trained.
        truth: The frozen validation images.
        detections: On each of them, down to a low score.
        costs: By which its thresholds were chosen.
        epochs: A row of metrics for each epoch; None where nothing was measured.
        dataset: The health summary and the split.
        measurements: Speed and parity; empty if they were not measured.
    """

    name: str
    truth: GroundTruth
    detections: Sequence[Sequence[Detection]]
    manifest: Manifest
    costs: CorrectionCosts
    epochs: Sequence[MetricsRow]
    config: RunConfig
    dataset: Mapping[str, Any]
    summary: Summary
    measurements: Mapping[str, Any]

    @classmethod
    def read(cls, run: RunDirectory) -> "RunFacts":
        """Read the folder of a run; a TrainingError or ManifestError if it is not finished, or damaged."""
        if not (run.export / FILE_NAME).is_file():
            raise TrainingError(
                f"{run.path}: no export/{FILE_NAME}; expected a finished run. "
                f"Train to the end, or: preannotate train --resume {run.path}"
            )
        manifest = Manifest.read(run.export)
        if not run.metrics.is_file():
            raise TrainingError(
                f"{run.path}: no {run.metrics.name}; expected a run that was trained here. An imported model has no "
                f"report: build it, and see its parity.json."
            )
        try:
            truth = ground_truth.read(run.export / "validation")
            detections = reference.read(truth.folder, truth.labels).detections
            truth = replace(truth, images=ground_truth.with_answered_masks(truth.images, manifest.label_type))
            epochs = _epochs(run.metrics)
        except (OSError, ValueError) as error:
            raise TrainingError(str(error)) from error
        return cls(
            name=str(manifest.provenance.get("run") or run.path.resolve().name),
            truth=truth,
            detections=detections,
            manifest=manifest,
            costs=_costs(manifest, run.export / FILE_NAME),
            epochs=epochs,
            config=RunConfig.read(run.config),
            dataset=_required(run.dataset),
            summary=_required(run.summary),
            measurements=_required(run.measurements) if run.measurements.is_file() else {},
        )


def _costs(manifest: Manifest, path: Path) -> CorrectionCosts:
    try:
        return CorrectionCosts(**manifest.provenance[COSTS_KEY])
    except (KeyError, TypeError) as error:
        raise TrainingError(f"{path}: {COSTS_KEY}: {error}; expected the seconds of corrections.") from error


def _epochs(path: Path) -> list[MetricsRow]:
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: float(text) if text else None for name, text in row.items()} for row in csv.DictReader(file)]


def _required(path: Path) -> Any:
    try:
        content = read_json(path)
    except FileError as error:
        raise TrainingError(str(error)) from error
    if content is None:
        raise TrainingError(f"{path}: no such file; expected a file that training writes. Train again.")
    return content
