"""Everything after the last step: thresholds, the export directory, overlays, the summary, the report."""

import contextlib
import dataclasses
import datetime
import hashlib
import importlib.metadata
import logging
import platform

import keras
import tensorflow as tf

from evaluation import ground_truth
from evaluation.corrections import CorrectionCosts
from evaluation.postprocess import SUPPRESSION_KEY
from preannotate.core.files import write_json
from runtime.manifest import Manifest
from trainer import export, report, self_training, tiles_choice
from trainer.checkpoints import TrainingState
from trainer.config import TILES_KEY, parse_tiles
from trainer.datasets import Split
from trainer.preparation import Prepared
from trainer.run_directory import RunDirectory, Summary
from trainer.validation import Validator

log = logging.getLogger(__name__)


def finalize_run(run: RunDirectory, prepared: Prepared, validator: Validator, state: TrainingState) -> None:
    """Write the results of a run whose averaged network has its best weights."""
    if state.best is None:
        raise ValueError(f"{run.path}: was never validated")
    config, split, network = prepared.config, prepared.split, prepared.ema_network
    costs = CorrectionCosts()
    tiles = parse_tiles(config.arguments.tiles)
    with_or_without = tiles_choice.choose(validator, tiles, costs, iou_threshold=network.iou_threshold)
    chosen = with_or_without.chosen
    detections, scores, postprocess = chosen.detections, chosen.scores, chosen.choice.postprocess
    for why in filter(None, (with_or_without.why, chosen.choice.why)):
        log.info("%s", why)
    of_masks = None if scores.masks is None else scores.masks.to_json()
    name = run.path.resolve().name
    provenance = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "run": name,
        "arguments": dataclasses.asdict(config.arguments),
        "base_model": config.base_model,
        "alpha": config.alpha,
        "images": {"train": len(split.train), "validation": len(split.validation)},
        "self_training": self_training.result(state),
        "dataset": _fingerprint(split),
        **report.criterion(costs),
        SUPPRESSION_KEY: chosen.choice.to_json(),
        TILES_KEY: with_or_without.to_json(),
        "metrics": scores.boxes.to_json(),
        **({"mask_metrics": of_masks} if of_masks else {}),
        "versions": _versions(),
    }
    manifest = Manifest(
        config.model,
        config.labels,
        config.input_size,
        postprocess,
        provenance,
        mask_head=network.mask_head,
        label_types=config.label_types,
        tiles=chosen.tiles,
    )
    export.write(run.export, network, manifest, split, detections)
    truth = ground_truth.read(run.export / "validation")
    truth = dataclasses.replace(truth, images=ground_truth.with_answered_masks(truth.images, manifest.label_type))
    report.write_overlays(truth, detections, postprocess, run.overlays)
    summary = Summary(
        run=name,
        labels=list(config.labels),
        epochs=state.epoch,
        best_epoch=state.best["epoch"],
        stopped_early=state.stopped_early,
        seconds=round(state.spent, 1),
        validation=scores.boxes.to_json(),
        validation_masks=of_masks,
        decisive={"map50": scores.decisive.map50, "mean_ap": scores.decisive.mean_ap},
        thresholds=dict(zip(config.labels, postprocess.thresholds, strict=True)),
        self_training=self_training.result(state),
        export="export",
        overlays="overlays",
    )
    write_json(run.summary, summary)
    _report(run)


def _report(run: RunDirectory) -> None:
    """Measure and write the report; an error here must not lose the trained model, which is complete."""
    for step, file in ((report.measure, run.measurements), (report.write, run.report)):
        try:
            step(run)
        except Exception:
            log.exception("%s was not written; the export is complete. Try: preannotate report %s", file, run.path)


def _fingerprint(split: Split) -> str:
    """Return the SHA-256 of both parts of the split: images, boxes and classes."""
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
