"""FP16 or INT8: quantise, measure mAP50 and mAP on the frozen validation images, and keep INT8 if it loses little.

If a plain quantisation loses too much, a second one chooses on the same images which layers stay in floating point, so
its score on them is slightly too high.
"""

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from builder import child, int8, proof
from builder.errors import BuildError
from builder.proof import accuracy_reference
from builder.variant_run import detect_with_variant
from builder.variants import VARIANTS
from evaluation import scores
from evaluation.ground_truth import GroundTruth
from preannotate.core.drafts import working_directory
from preannotate.core.text import format_scores, plural
from runtime.detector import Detection
from runtime.manifest import Manifest

LARGEST_LOSS = proof.LARGEST_LOSS["int8"]
_LATENCY_RUNS = 60
_WEIGHTS = ("model.xml", "model.bin")


class PrecisionResult(TypedDict):
    """What was requested and built, and why; written into `model.json` under `proof.PRECISION_KEY`.

    Attributes:
        built: "int8", or "fp16" if INT8 lost too much.
        map50, mean_ap: By artefact: "reference", "fp16", "int8".
        mask_map50: The same of masks; only of a network that gives masks.
        model_bin_bytes: Size of model.bin: "fp16", "int8".
        latency_ratio: Time of an inference in INT8 over that in FP16; only of an INT8 that was built.
        attempt: One of `int8.ATTEMPTS`; only of an INT8 that was built.
        reason: A sentence; only of an FP16.
    """

    requested: str
    built: str
    map50: dict[str, float]
    mean_ap: dict[str, float]
    mask_map50: NotRequired[dict[str, float]]
    model_bin_bytes: dict[str, int]
    latency_ratio: NotRequired[float]
    attempt: NotRequired[str]
    reason: NotRequired[str]


def check_possible(export: Path) -> None:
    """Check that `export` can be quantised here, before anything expensive.

    Raises:
        BuildError: nncf is not installed, or there are no calibration images.
    """
    child.require_packages({"nncf": "int8"}, "--precision int8")
    if not any((export / "calibration").glob("*.png")):
        raise BuildError(
            f"{export / 'calibration'}: no PNG images; expected images to quantise with. Train again, or "
            f"import with --proof-images."
        )


def quantise(
    export: Path, directory: Path, validation: Path, progress: Callable[[str], None] = lambda step: None
) -> PrecisionResult:
    """Replace the FP16 IR in `directory` by an INT8 one if that is accurate enough.

    Args:
        export: With `calibration/`.
        directory: A function directory, complete but for its proof.
        validation: The frozen validation images.
        progress: Called with a description of each step.

    Raises:
        BuildError: A step could not run.
    """
    manifest = Manifest.read(directory)
    truth, reference = proof.read_validation(validation)
    truth = accuracy_reference(truth, reference, manifest)
    trained, trained_masks = _score(manifest, truth, reference.detections)
    fp16, fp16_masks = _scores(directory, manifest, truth)
    result: PrecisionResult = {
        "requested": "int8",
        "built": "fp16",
        "map50": {"reference": round(trained.map50, 5), "fp16": round(fp16.map50, 5)},
        "mean_ap": {"reference": round(trained.mean_ap, 5), "fp16": round(fp16.mean_ap, 5)},
        "model_bin_bytes": {"fp16": (directory / "model.bin").stat().st_size},
    }
    if trained_masks and fp16_masks:
        result["mask_map50"] = {"reference": round(trained_masks.map50, 5), "fp16": round(fp16_masks.map50, 5)}
    with working_directory() as work:
        for attempt in int8.ATTEMPTS:
            progress(f"Quantising to INT8 ({attempt})")
            draft = Path(work) / attempt
            shutil.copytree(directory, draft, ignore=shutil.ignore_patterns("saved_model", *_WEIGHTS))
            int8.convert(
                export, draft, manifest.input_size, validation=validation, attempt=attempt, max_drop=LARGEST_LOSS
            )
            measured, masks = _scores(draft, manifest, truth)
            lost = max(trained.map50 - measured.map50, trained.mean_ap - measured.mean_ap)
            if trained_masks and masks:
                result["mask_map50"]["int8"] = round(masks.map50, 5)
                lost = max(lost, trained_masks.map50 - masks.map50, trained_masks.mean_ap - masks.mean_ap)
            result["map50"]["int8"] = round(measured.map50, 5)
            result["mean_ap"]["int8"] = round(measured.mean_ap, 5)
            result["model_bin_bytes"]["int8"] = (draft / "model.bin").stat().st_size
            if lost <= LARGEST_LOSS:
                result["latency_ratio"] = round(_latency_ratio(draft, directory), 3)
                for name in _WEIGHTS:
                    shutil.copyfile(draft / name, directory / name)
                result["built"], result["attempt"] = "int8", attempt
                return result
    result["reason"] = (
        f"INT8 has {format_scores(measured.map50, measured.mean_ap, 4)} on the "
        f"{plural(len(truth.images), 'validation image')}, {trained.map50 - measured.map50:.4f} and "
        f"{trained.mean_ap - measured.mean_ap:.4f} below the reference's{_of_masks(trained_masks, masks)}; expected at "
        f"most {LARGEST_LOSS} below, so FP16 was built."
    )
    return result


def describe_precision(result: PrecisionResult) -> str:
    """Describe what `quantise` returned in one sentence."""
    if result["built"] == "fp16":
        return result["reason"]
    size, map50, mean_ap = result["model_bin_bytes"], result["map50"], result.get("mean_ap", {})
    int8_scores, fp16_scores = (format_scores(map50[name], mean_ap.get(name), 4) for name in ("int8", "fp16"))
    ratio = result["latency_ratio"]
    speed = "" if ratio < 0.95 else " It is no faster here: the processor may lack instructions for 8 bits."
    return (
        f"INT8: {int8_scores} (FP16: {fp16_scores}), {size['int8'] / size['fp16']:.0%} of the size, "
        f"{ratio:.2f} of the time of an inference with one thread.{speed}"
    )


def _of_masks(trained: scores.Scores | None, measured: scores.Scores | None) -> str:
    if trained is None or measured is None:
        return ""
    return (
        f", its masks {trained.map50 - measured.map50:.4f} (mAP50) and {trained.mean_ap - measured.mean_ap:.4f} (mAP)"
    )


def _scores(directory: Path, manifest: Manifest, truth: GroundTruth) -> tuple[scores.Scores, scores.Scores | None]:
    return _score(manifest, truth, detect_with_variant(VARIANTS["cpu"], directory, manifest, truth).direct)


def _score(
    manifest: Manifest, truth: GroundTruth, detections: Sequence[Sequence[Detection]]
) -> tuple[scores.Scores, scores.Scores | None]:
    """Return the metrics of boxes and of masks; None for those of a network without."""
    masks = None if manifest.mask_head is None else scores.score_masks(manifest.labels, truth.images, detections)
    return scores.score(manifest.labels, truth.images, detections), masks


def _latency_ratio(directory: Path, reference: Path) -> float:
    """Median time of one inference of the model in `directory` over that in `reference`, with one thread."""
    with working_directory() as work:
        result = Path(work) / "seconds.json"
        child.run_module(
            __name__, [str(directory), str(reference), str(result)], step=f"{directory}: measuring latency"
        )
        measured, compared = json.loads(result.read_text("ascii"))
    return measured / compared


def main(directory: str, reference: str, result: str) -> None:
    """Measure the median time of an inference of two IRs in turns, in this process; write [first, second]."""
    import numpy as np

    from runtime import engines

    os.environ["MODEL_THREADS"] = "1"
    width, height = Manifest.read(Path(reference)).input_size
    pixels = np.random.default_rng(0).integers(0, 255, (1, height, width, 3), np.uint8)
    loaded = [engines.load("openvino", Path(folder)) for folder in (directory, reference)]
    seconds: list[list[float]] = [[], []]
    for _ in range(_LATENCY_RUNS):
        for engine, times in zip(loaded, seconds, strict=True):
            started = time.perf_counter()
            engine.run(pixels)
            times.append(time.perf_counter() - started)
    Path(result).write_text(json.dumps([statistics.median(times) for times in seconds]), "ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
