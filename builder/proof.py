"""The proof that the reference, SavedModel, IR and the served function are one model, measured on the frozen images.

The reference's own detections came with the export (`evaluation.reference`). The others are made here, each
engine in a subprocess that sees only the function directory.
"""

import importlib.util
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import child, replies
from builder.accuracy_reference import NOT_ANNOTATED, accuracy_reference
from builder.convert import openvino
from builder.errors import BuildError
from builder.function_directory import FunctionDirectory, Proof, ProofFigures
from builder.graph import find_graph
from builder.probe import ProbeResults
from builder.variants import VARIANTS, Variant
from evaluation import ground_truth, scores
from evaluation import reference as references
from evaluation.ground_truth import GroundTruth
from evaluation.parity import FLOAT_NOISE, MATCH_IOU, MIN_COMPARED_SCORE, ROUNDING, Difference, Tolerance, compare
from evaluation.reference import Reference
from runtime.detector import Detection
from runtime.manifest import Manifest

PROBE = Path(__file__).with_name("probe.py")
# What the IR may lose of the reference's mAP50, by the precision in which it was built: half a point, or one.
LARGEST_LOSS = {"fp16": 0.005, "int8": 0.010}
PRECISION_KEY = "precision"
# (reference, what is held against it, what counts as equal)
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
Detections = list[list[Detection]]


@dataclass(frozen=True)
class VariantDetections:
    """What one variant detected on the frozen images.

    Attributes:
        direct: Its detector's detections.
        served: The same read back from its handler's replies.
        problems: What is wrong with those replies.
        device: What ran the network.
        versions: Of the packages there.
    """

    direct: Detections
    served: Detections
    problems: tuple[str, ...]
    device: str
    versions: dict[str, str]


@dataclass(frozen=True)
class _Measured:
    """What all artefacts of a function detected, by the artefact's name, and what goes into the `Proof`."""

    detections: dict[str, Detections]
    problems: list[str]
    notes: list[str]
    devices: dict[str, str]
    versions: dict[str, str]


def prove(function: FunctionDirectory, validation: Path) -> Proof:
    """Run every variant on the frozen validation images and compare all with the reference.

    Args:
        function: What is proven.
        validation: `ground_truth.json`, its images, `reference.json`, and the graph if `function` has none.

    Raises:
        BuildError: A variant does not start, or the validation images are missing or broken.
    """
    truth, reference = read_validation(validation)
    manifest = function.manifest
    measured = _detect_with_all(function, validation, truth)
    found: dict[str, Detections] = {"reference": list(map(list, reference.detections)), **measured.detections}
    problems, notes = list(measured.problems), list(measured.notes)
    expected = accuracy_reference(truth, reference, manifest)
    if not expected.annotated:
        notes.append(NOT_ANNOTATED)
    scored = {name: scores.score(manifest.labels, expected.truth.images, found[name]) for name in found}
    differences = {
        f"{second} vs {first}": _difference(found, first, second, tolerance, manifest)
        for first, second, tolerance in COMPARISONS
        if {first, second} <= set(found)
    }
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
    """The precision in which a built function's IR is: "fp16" or "int8"."""
    return manifest.provenance.get(PRECISION_KEY, {}).get("built", "fp16")


def read_validation(folder: Path) -> tuple[GroundTruth, Reference]:
    """The frozen images and what the reference network found on them.

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


def detect_with_variant(variant: Variant, directory: Path, manifest: Manifest, truth: GroundTruth) -> VariantDetections:
    """Start one variant as a container would and send it every image.

    Raises:
        BuildError: It does not start, or it crashes.
    """
    with tempfile.TemporaryDirectory(prefix="preannotate-") as work:
        requests_file, results_file = Path(work) / "requests.json", Path(work) / "results.json"
        content = {
            "images": [str((truth.folder / image.file).resolve()) for image in truth.images],
            "threshold": scores.MIN_SCORE,
        }
        requests_file.write_text(json.dumps(content), encoding="utf-8")
        child.run_isolated(
            PROBE,
            [str(requests_file), str(results_file)],
            directory=directory.resolve(),
            engine=variant.engine,
            step=f"{directory}: running the {variant.framework} variant",
        )
        results: ProbeResults = json.loads(results_file.read_text(encoding="utf-8"))
    direct = [
        [
            Detection(manifest.labels[class_id], class_id, score, (box[0], box[1], box[2], box[3]))
            for class_id, score, box in found
        ]
        for found in results["direct"]
    ]
    served, problems = _read_replies(results, manifest.labels, truth)
    description = results["description"]
    return VariantDetections(direct, served, tuple(problems), description["device"], results["versions"])


def _detect_in_full_precision(source: Path, directory: Path, manifest: Manifest, truth: GroundTruth) -> Detections:
    """The detections of the IR with float32 weights: if they differ, it is the conversion and not the rounding."""
    with tempfile.TemporaryDirectory(prefix="preannotate-") as work:
        copy = Path(work) / "f32"
        shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("saved_model", "model.xml", "model.bin"))
        openvino.convert(source, copy, manifest.input_size, weights="f32")
        return detect_with_variant(VARIANTS["cpu"], copy, manifest, truth).direct


def _read_replies(results: ProbeResults, labels: Sequence[str], truth: GroundTruth) -> tuple[Detections, list[str]]:
    served: Detections = []
    problems: list[str] = []
    for replies_of_kind in (results["served_by_default"], results["served"]):
        served = []
        for image, response in zip(truth.images, replies_of_kind, strict=False):
            found, wrong = replies.parse_reply(response, labels, image.size)
            served.append(found)
            problems += [f"{image.name}: {problem}" for problem in wrong[:1]]
    bad = results["bad_request"]
    if bad["status_code"] != 400 or set(json.loads(bad["body"])) != {"error"}:
        problems.append(f"a request that is not JSON: status {bad['status_code']}, expected 400 with an error")
    return served, problems


def _difference(
    found: dict[str, Detections], first: str, second: str, tolerance: Tolerance, manifest: Manifest
) -> Difference:
    limit = manifest.postprocess.max_detections
    return compare(found[first], found[second], tolerance, max_detections=limit)


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
