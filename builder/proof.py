"""The proof that the reference, SavedModel, IR and the served function are one model, measured on the frozen images.

The reference's own detections came with the export (`evaluation.reference`). The others are made here, each
engine in a subprocess that sees only the function directory.
"""

import importlib.util
import shutil
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np

from builder import openvino_ir
from builder.errors import BuildError
from builder.function_directory import FunctionDirectory, Proof, ProofFigures
from builder.variant_run import Detections, detect_with_variant
from builder.variants import VARIANTS, find_graph
from evaluation import ground_truth, scores
from evaluation import reference as references
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from evaluation.outcomes import shown
from evaluation.parity import FLOAT_NOISE, MATCH_IOU, MIN_COMPARED_SCORE, ROUNDING, Difference, Tolerance, compare
from evaluation.reference import Reference
from preannotate.core.drafts import working_directory
from runtime.detector import Detection
from runtime.manifest import Manifest

NOT_ANNOTATED = "No image is annotated: accuracy was not measured. mAP50 and mAP are agreement with the reference."


def accuracy_reference(truth: GroundTruth, reference: Reference, manifest: Manifest) -> GroundTruth:
    """Return the ground truth, or if it has no boxes the reference's detections that a function would show.

    Against its own detections the reference has a mAP of 1, and that of an artefact shows how far it agrees. That is no
    accuracy, and every report says so; but a loss of half a point is as good a limit there.
    """
    if any(len(image.boxes) for image in truth.images):
        return truth
    images = tuple(
        _with_boxes(image, list(compress(found, shown(found, manifest.postprocess))))
        for image, found in zip(truth.images, reference.detections, strict=True)
    )
    return replace(truth, images=images)


def _with_boxes(image: AnnotatedImage, found: list[Detection]) -> AnnotatedImage:
    boxes = np.array([item.box for item in found], np.float32).reshape(-1, 4)
    return replace(image, boxes=boxes, class_ids=np.array([item.class_id for item in found], np.int64))


_MORE_TO_COMPARE = "Train longer, or import it again with photos of its classes (--proof-images)."
# What the IR may lose of the reference's mAP50, by the precision in which it was built: half a point, or one.
LARGEST_LOSS = {"fp16": 0.005, "int8": 0.010}
PRECISION_KEY = "precision"
# (first artefact, artefact compared with it, what counts as equal)
COMPARISONS: tuple[tuple[str, str, Tolerance], ...] = (
    ("reference", "saved_model", FLOAT_NOISE),
    ("reference", "ir_f32", FLOAT_NOISE),
    ("reference", "ir", FLOAT_NOISE),
    ("ir", "served", ROUNDING),
    ("saved_model", "served_gpu", ROUNDING),
)
RULES = {
    "compared": f"detections with a score above {MIN_COMPARED_SCORE}, by class and IoU of at least {MATCH_IOU}",
    "saved_model vs reference": f"float noise: {FLOAT_NOISE.box} pixels, {FLOAT_NOISE.score} of the score",
    "ir_f32 vs reference": "the same; the IR with float32 weights, made for this check only",
    "ir vs reference": f"at most {LARGEST_LOSS['fp16']} of mAP50 lost; with INT8 {LARGEST_LOSS['int8']}",
    "served": f"equal but for rounding: {ROUNDING.box} pixels, {ROUNDING.score} of the score",
}


@dataclass(frozen=True)
class _Measured:
    """Detections by artefact, and what else goes into the `Proof`."""

    detections: dict[str, Detections]
    problems: list[str]
    notes: list[str]
    devices: dict[str, str]
    versions: dict[str, str]


def prove(function: FunctionDirectory, validation: Path) -> Proof:
    """Run every variant on the frozen validation images and compare all with the reference.

    Args:
        function: Its files are proven as they are.
        validation: Folder with `ground_truth.json`, its images, `reference.json`, and the graph if `function` has none.

    Raises:
        BuildError: A variant does not start, or the validation images are missing or broken.
    """
    truth, reference = read_validation(validation)
    manifest = function.manifest
    measured = _detect_with_all(function, validation, truth)
    found = {"reference": list(map(list, reference.detections)), **measured.detections}
    problems, notes = measured.problems, measured.notes
    expected = accuracy_reference(truth, reference, manifest)
    if expected is not truth:
        notes.append(NOT_ANNOTATED)
    scored = {name: scores.score(manifest.labels, expected.images, found[name]) for name in found}
    limit = manifest.postprocess.max_detections
    differences = {
        f"{second} vs {first}": compare(found[first], found[second], tolerance, max_detections=limit)
        for first, second, tolerance in COMPARISONS
        if {first, second} <= set(found)
    }
    if not any(difference.detections for difference in differences.values()):
        problems.append(
            f"nothing was compared: 0 detections above {MIN_COMPARED_SCORE} on {len(truth.images)} images; expected "
            f"some. {_MORE_TO_COMPARE}"
        )
    problems += _parity_problems(
        differences, {name: item.map50 for name, item in scored.items()}, precision_of(manifest)
    )
    figures: ProofFigures = {
        "reference": reference.network,
        "images": len(truth.images),
        "boxes": sum(len(image.boxes) for image in truth.images),
        "scores": {
            name: {"map50": round(item.map50, 5), "mean_ap": round(item.mean_ap, 5)} for name, item in scored.items()
        },
        "differences": {name: difference.to_json() for name, difference in differences.items()},
        "rules": RULES,
        "precision": dict(manifest.provenance.get(PRECISION_KEY, {"built": precision_of(manifest)})),
        "devices": measured.devices,
        "versions": dict(sorted(measured.versions.items())),
    }
    return Proof(tuple(problems), tuple(notes), figures)


def precision_of(manifest: Manifest) -> str:
    """Return the precision of a built function's IR: "fp16" or "int8"."""
    return manifest.provenance.get(PRECISION_KEY, {}).get("built", "fp16")


def read_validation(folder: Path) -> tuple[GroundTruth, Reference]:
    """Read the frozen images and what the reference network detected on them.

    Raises:
        BuildError: Something is missing, or the two do not belong together.
    """
    try:
        truth = ground_truth.read(folder)
        reference = references.read(folder, truth.labels)
    except ValueError as error:
        raise BuildError(str(error)) from error
    if len(reference.detections) != len(truth.images) or not truth.images:
        raise BuildError(
            f"{folder}: {len(truth.images)} images and {len(reference.detections)} lists of detections in "
            f"{references.FILE_NAME}; expected as many, and at least one. Train or import again."
        )
    return truth, reference


def _detect_with_all(function: FunctionDirectory, validation: Path, truth: GroundTruth) -> _Measured:
    directory, manifest = function.path, function.manifest
    cpu = detect_with_variant(VARIANTS["cpu"], directory, manifest, truth)
    result = _Measured(
        {}, [f"served: {problem}" for problem in cpu.problems], [], {"cpu": cpu.device}, dict(cpu.versions)
    )
    if source := find_graph(directory, validation):
        result.detections["ir_f32"] = _detect_in_full_precision(source[0], directory, manifest, truth)
    else:
        result.notes.append("The graph with float32 weights is not there: only the rounded one was checked.")
    result.detections.update(ir=cpu.direct, served=cpu.served)
    if VARIANTS["gpu"] not in function.variants:
        result.notes.append("The function has no GPU variant.")
    elif importlib.util.find_spec("tensorflow"):
        gpu = detect_with_variant(VARIANTS["gpu"], directory, manifest, truth)
        result.detections.update(saved_model=gpu.direct, served_gpu=gpu.served)
        result.problems.extend(f"served_gpu: {problem}" for problem in gpu.problems)
        result.devices["gpu"] = gpu.device
        result.versions.update(gpu.versions)
    else:
        result.notes.append("TensorFlow is not installed: SavedModel and GPU variant were not checked.")
    return result


def _detect_in_full_precision(source: Path, directory: Path, manifest: Manifest, truth: GroundTruth) -> Detections:
    """Detect with an IR with float32 weights: a difference there comes from the conversion and not from rounding."""
    with working_directory() as work:
        copy = Path(work) / "f32"
        shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("saved_model", "model.xml", "model.bin"))
        openvino_ir.convert(source, copy, manifest.input_size, weights="f32")
        return detect_with_variant(VARIANTS["cpu"], copy, manifest, truth).direct


def _parity_problems(differences: dict[str, Difference], map50: dict[str, float], precision: str) -> list[str]:
    problems = []
    for name, difference in differences.items():
        if name == "ir vs reference" or difference.only_noise:
            continue
        problems.append(
            f"{name}: {difference.unmatched} of {difference.detections} detections unmatched and "
            f"{difference.beyond_tolerance} beyond tolerance (up to {difference.largest_box:.3g} pixels, "
            f"{difference.largest_score:.3g} of the score); expected the same detections. Do not deploy it."
        )
    for name in set(map50) - {"reference"}:
        loss = map50["reference"] - map50[name]
        allowed = LARGEST_LOSS[precision if name in ("ir", "served") else "fp16"]
        if loss > allowed:
            problems.append(
                f"{name}: mAP50 {map50[name]:.4f}, {loss:.4f} below the reference's; expected at most {allowed} "
                f"below. Do not deploy it."
            )
    return sorted(problems)
