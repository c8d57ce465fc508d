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
from builder.function_directory import ArtefactScores, FunctionDirectory, Proof, ProofFigures
from builder.function_yaml import IMPORTED
from builder.variant_run import Detections, as_answered, detect_with_variant
from builder.variants import VARIANTS, find_graph
from evaluation import ground_truth, scores
from evaluation import reference as references
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from evaluation.outcomes import shown
from evaluation.parity import FLOAT_NOISE, MATCH_IOU, MIN_COMPARED_SCORE, ROUNDING, Difference, Tolerance, compare
from evaluation.reference import Reference
from evaluation.scores import Scores
from preannotate.core.drafts import working_directory
from runtime.detector import Detection
from runtime.manifest import Manifest

NOT_ANNOTATED = "No image is annotated: accuracy was not measured. mAP50 and mAP are agreement with the reference."


def is_annotated(truth: GroundTruth) -> bool:
    """Whether accuracy can be measured: an image has a box."""
    return any(len(image.boxes) for image in truth.images)


def accuracy_reference(truth: GroundTruth, reference: Reference, manifest: Manifest) -> GroundTruth:
    """Return the ground truth, or if it has no boxes the reference's detections that a function would show.

    Labels that are answered with rectangles have no masks in it.

    Against its own detections the reference has a mAP of 1, and that of an artefact shows how far it agrees. That is no
    accuracy, and every report says so; but a loss of half a point is as good a limit there.
    """
    if is_annotated(truth):
        if manifest.mask_head is None:
            return truth
        return replace(truth, images=ground_truth.with_answered_masks(truth.images, manifest.label_type))
    images = tuple(
        _with_boxes(image, list(compress(found, shown(found, manifest.postprocess))))
        for image, found in zip(truth.images, reference.detections, strict=True)
    )
    return replace(truth, images=images)


def _with_boxes(image: AnnotatedImage, found: list[Detection]) -> AnnotatedImage:
    boxes = np.array([item.box for item in found], np.float32).reshape(-1, 4)
    masks = tuple(item.mask for item in found) if any(item.mask is not None for item in found) else ()
    return replace(image, boxes=boxes, class_ids=np.array([item.class_id for item in found], np.int64), masks=masks)


_MORE_TO_COMPARE = "Train longer, or import it again with photos of its classes (--proof-images)."
# What the IR may lose of the reference's mAP50, of boxes and of masks, by the precision in which it was built: half a
# point, or one.
LARGEST_LOSS = {"fp16": 0.005, "int8": 0.010}
# The median IoU of its masks with the reference's, where rounding to FP16 is all that differs.
FP16_MASKS = 0.99
PRECISION_KEY = "precision"
# Key of an imported model's provenance: what was compared before labels were left out (`builder.imports.label_choice`).
WHOLE_NETWORK = "whole_network"
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
MASK_RULES = {
    "masks": f"median IoU of at least {FLOAT_NOISE.masks}; ir vs reference {FP16_MASKS}, with INT8 mAP50 alone",
    "masks served": "the same, down to the answer: of a polygon the pixels inside of it are compared",
    "mask_map50 served": "of the answers; a polygon has no holes and one part, which the limit of what is lost allows",
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
    if not is_annotated(truth):
        notes.append(NOT_ANNOTATED)
    limit = manifest.postprocess.max_detections
    differences = {
        f"{second} vs {first}": compare(
            as_answered(found[first], manifest) if second.startswith("served") else found[first],
            found[second],
            tolerance,
            max_detections=limit,
        )
        for first, second, tolerance in COMPARISONS
        if {first, second} <= set(found)
    }
    # An answer with a mask has no other box; the comparison shows that it is of the same objects.
    boxed = found if manifest.mask_head is None else {**found, **_before_answering(found)}
    scored = {name: scores.score(manifest.labels, expected.images, boxed[name]) for name in found}
    masks = {name: scores.score_masks(manifest.labels, expected.images, found[name]) for name in found}
    answered = scores.score_masks(manifest.labels, expected.images, as_answered(found["reference"], manifest))
    compared = any(difference.detections for difference in differences.values())
    whole = manifest.provenance.get(IMPORTED, {}).get(WHOLE_NETWORK)
    if whole:
        notes.append(
            f"Its labels are {len(manifest.labels)} of {whole['labels']}. The whole network was compared on the same "
            f"images before the others were left out: {whole['unmatched']} of {whole['detections']} detections "
            f"unmatched."
        )
    elif not compared:
        problems.append(
            f"nothing was compared: 0 detections above {MIN_COMPARED_SCORE} on {len(truth.images)} images; expected "
            f"some. {_MORE_TO_COMPARE}"
        )
    precision = precision_of(manifest)
    problems += _parity_problems(differences, precision)
    problems += _losses({name: item.map50 for name, item in scored.items()}, "mAP50", precision)
    of_masks = {name: item.map50 for name, item in masks.items() if item}
    problems += _losses(of_masks, "mask mAP50", precision, answered=answered.map50 if answered else None)
    figures: ProofFigures = {
        "reference": reference.network,
        "images": len(truth.images),
        "boxes": sum(len(image.boxes) for image in truth.images),
        "scores": {name: _artefact_scores(item, masks[name]) for name, item in scored.items()},
        "differences": {name: difference.to_json() for name, difference in differences.items()},
        "rules": RULES if manifest.mask_head is None else RULES | MASK_RULES,
        "precision": dict(manifest.provenance.get(PRECISION_KEY, {"built": precision_of(manifest)})),
        "devices": measured.devices,
        "versions": dict(sorted(measured.versions.items())),
    }
    return Proof(tuple(problems), tuple(notes), figures)


def of_whole_network(proof: Proof, labels: int) -> dict[str, int]:
    """Return what a proof of a network with all its labels compared, for the provenance of one with fewer."""
    differences = proof.figures["differences"].values()
    return {
        "labels": labels,
        "detections": max((int(one["detections"]) for one in differences), default=0),
        "unmatched": max((int(one["unmatched"]) for one in differences), default=0),
    }


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


def _before_answering(found: dict[str, Detections]) -> dict[str, Detections]:
    """Return for each answering artefact the detections of its network, with their boxes."""
    return {second: found[first] for first, second, _ in COMPARISONS if second.startswith("served") and second in found}


def _artefact_scores(of_boxes: Scores, of_masks: Scores | None) -> ArtefactScores:
    found: ArtefactScores = {"map50": round(of_boxes.map50, 5), "mean_ap": round(of_boxes.mean_ap, 5)}
    if of_masks is not None:
        found |= {"mask_map50": round(of_masks.map50, 5), "mask_mean_ap": round(of_masks.mean_ap, 5)}
    return found


def _parity_problems(differences: dict[str, Difference], precision: str) -> list[str]:
    tolerances = {f"{second} vs {first}": tolerance for first, second, tolerance in COMPARISONS}
    problems = []
    for name, difference in differences.items():
        tolerance, rounded = tolerances[name], name == "ir vs reference"
        if not rounded and not difference.only_noise:
            problems.append(
                f"{name}: {difference.unmatched} of {difference.detections} detections unmatched and "
                f"{difference.beyond_tolerance} beyond tolerance (up to {difference.largest_box:.3g} pixels, "
                f"{difference.largest_score:.3g} of the score); expected the same detections. Do not deploy it."
            )
        if rounded:
            tolerance = replace(tolerance, masks=FP16_MASKS if precision == "fp16" else 0.0)
        if not difference.masks_agree(tolerance):
            problems.append(
                f"{name}: masks with a median IoU of {difference.median_mask_iou:.4f} (down to "
                f"{difference.least_mask_iou:.4f}); expected at least {tolerance.masks}. Do not deploy it."
            )
    return sorted(problems)


def _losses(map50: dict[str, float], what: str, precision: str, *, answered: float | None = None) -> list[str]:
    """Return a sentence for each artefact that lost more than the limit; `answered` is the reference's as served."""
    problems = []
    for name in set(map50) - {"reference"}:
        base = map50["reference"] if answered is None or not name.startswith("served") else answered
        loss = base - map50[name]
        allowed = LARGEST_LOSS[precision if name in ("ir", "served") else "fp16"]
        if loss > allowed:
            problems.append(
                f"{name}: {what} {map50[name]:.4f}, {loss:.4f} below the reference's; expected at most {allowed} "
                f"below. Do not deploy it."
            )
    return sorted(problems)
