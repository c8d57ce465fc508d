"""Speed and agreement of the exported SavedModel, measured after training and kept in `measurements.json`."""

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation import ground_truth, reference, scores, speed
from evaluation.parity import FLOAT_NOISE, compare
from preannotate.core.files import write_json
from runtime import engines
from runtime.detector import Detector
from runtime.manifest import Manifest
from runtime.processors import cores
from trainer.library_logging import quiet_loading
from trainer.run_directory import RunDirectory

# Time for measuring, without loading the model: a report must not make a short training a long one.
SECONDS = 5.0


def measure(run: RunDirectory) -> None:
    """Run the SavedModel on validation images through the serving path, and compare with the Keras network."""
    manifest, truth = Manifest.read(run.export), ground_truth.read(run.export / "validation")
    truth = replace(truth, images=ground_truth.with_answered_masks(truth.images, manifest.label_type))
    trained = reference.read(truth.folder, truth.labels)
    with quiet_loading():
        detector = Detector(engines.load("tensorflow", run.export), manifest)
        stages, found = speed.measure(detector, truth, seconds=SECONDS)
    images, expected = truth.images[: len(found)], trained.detections[: len(found)]
    forms = {f"network as trained ({trained.network})": expected, "exported SavedModel": found}
    scored = {name: scores.score(truth.labels, images, of_form) for name, of_form in forms.items()}
    if manifest.mask_head is not None:
        for name, of_form in forms.items():
            if (of_masks := scores.score_masks(truth.labels, images, of_form)) is not None:
                scored[f"{name}, masks"] = of_masks
    difference = compare(expected, found, FLOAT_NOISE, max_detections=manifest.postprocess.max_detections)
    content = {
        "stages": stages.to_json(),
        "machine": machine(),
        "parity": {
            "images": len(found),
            "map50": {name: item.map50 for name, item in scored.items()},
            "mean_ap": {name: item.mean_ap for name, item in scored.items()},
            "difference": difference.to_json(),
            "only_noise": difference.only_noise and difference.masks_agree(FLOAT_NOISE),
        },
    }
    write_json(run.measurements, content)


def machine() -> dict[str, Any]:
    """Return the machine that times are measured on."""
    return {"processor": _processor(), "cores": cores()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
