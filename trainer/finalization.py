"""Everything after the last step: thresholds, the export directory, pictures, the summary, the report."""

import contextlib
import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import logging
import platform
from typing import Any

import keras
import tensorflow as tf

from evaluation import ground_truth, thresholds
from evaluation.corrections import CorrectionCosts
from evaluation.scores import score
from runtime.manifest import Manifest, Postprocess
from trainer import export, overlays, report
from trainer.checkpoints import TrainingState
from trainer.datasets import Split
from trainer.preparation import Prepared
from trainer.run_directory import RunDirectory, replace_text
from trainer.validation import Validator

log = logging.getLogger(__name__)


def finalize_run(run: RunDirectory, prepared: Prepared, validator: Validator, state: TrainingState) -> dict[str, Any]:
    """Write the outcome of a run whose averaged network holds the weights to keep.

    Returns:
        The content of `summary.json`, with `run` as a path that the caller can use.
    """
    resolved, split = prepared.resolved, prepared.split
    labels = tuple(resolved["labels"])
    detections = validator.detections()
    scores = score(labels, validator.truth, detections)
    costs = CorrectionCosts()
    threshold, per_class = thresholds.choose(labels, validator.truth, detections, costs)
    name = run.path.resolve().name
    provenance = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "run": name,
        "arguments": dataclasses.asdict(prepared.settings),
        "base_model": resolved["base_model"],
        "alpha": resolved["alpha"],
        "images": {"train": len(split.train), "validation": len(split.validation)},
        "dataset": _fingerprint(split),
        **report.criterion(costs),
        "metrics": scores.to_json(),
        "versions": _versions(),
    }
    network = prepared.ema_network
    manifest = Manifest(resolved["model"], labels, network.input_size, Postprocess(threshold, per_class), provenance)
    export.write(export.Exported(network, manifest, split.train, split.validation, detections), run.export)
    overlays.write(ground_truth.read(run.export / "validation"), detections, per_class, run.overlays)
    summary = {
        "run": name,
        "labels": list(labels),
        "epochs": state.epoch,
        "best_epoch": state.best["epoch"],
        "stopped_early": state.stopped_early,
        "seconds": round(state.spent, 1),
        "validation": scores.to_json(),
        "thresholds": dict(zip(labels, per_class, strict=True)),
        "export": "export",
        "overlays": "overlays",
    }
    replace_text(run.summary, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    _report(run)
    return {**summary, "run": str(run.path)}


def _report(run: RunDirectory) -> None:
    """Measure, and write the page; whatever goes wrong there, the trained model is already safe."""
    for step, file in ((report.measure, run.measurements), (report.write, run.report)):
        try:
            step(run)
        except Exception:
            log.exception("%s was not written; the export is whole. Try: preannotate report %s", file, run.path)


def _fingerprint(split: Split) -> str:
    """sha256 over what was trained and validated on: images, boxes, classes and sides."""
    digest = hashlib.sha256()
    for side in (split.train, split.validation):
        for sample in sorted(side, key=lambda sample: sample.content):
            digest.update(sample.content.encode())
            digest.update(sample.boxes.tobytes() + sample.class_ids.tobytes())
        digest.update(b"|")
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
    for package in ("numpy", "pillow", "preannotate"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
