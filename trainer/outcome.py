"""Everything after the last step: thresholds, the export directory, pictures, the summary."""

import contextlib
import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import platform
from typing import Any

import keras
import tensorflow as tf

from evaluation.scores import score
from runtime.manifest import Manifest, Postprocess
from trainer import export, overlays, thresholds
from trainer.checkpoints import State
from trainer.datasets import Split
from trainer.preparation import Prepared
from trainer.run_directory import RunDirectory, replace_text
from trainer.validation import Validator


def finish(run: RunDirectory, prepared: Prepared, validator: Validator, state: State) -> dict[str, Any]:
    """Write the outcome of a run whose averaged network holds the weights to keep.

    Returns:
        The content of `summary.json`, with `run` as a path that the caller can use.
    """
    resolved, split = prepared.resolved, prepared.split
    labels = tuple(resolved["labels"])
    detections = validator.detections()
    scores = score(labels, validator.truth, detections)
    threshold, per_class = thresholds.choose(labels, validator.truth, detections)
    name = run.path.resolve().name
    provenance = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "run": name,
        "arguments": dataclasses.asdict(prepared.settings),
        "base_model": resolved["base_model"],
        "alpha": resolved["alpha"],
        "images": {"train": len(split.train), "validation": len(split.validation)},
        "dataset": _fingerprint(split),
        "threshold_criterion": "best F1 at IoU 0.5 on the validation images",
        "metrics": scores.to_json(),
        "versions": _versions(),
    }
    network = prepared.averaged
    manifest = Manifest(resolved["model"], labels, network.input_size, Postprocess(threshold, per_class), provenance)
    export.write(export.Exported(network, manifest, split.train, split.validation, detections), run.export)
    overlays.write(split.validation, detections, manifest, run.overlays)
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
    return {**summary, "run": str(run.path)}


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
