"""`preannotate import`: options, images for the proof, and what is printed."""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.build import default_name
from builder.function_names import check_name
from builder.imports.import_model import DEFAULT_IOU_THRESHOLD, ImportRequest, ImportResult, import_model
from builder.imports.labels import read_class_names
from builder.imports.layout import PreprocessingOptions
from preannotate.core.errors import UsageError
from preannotate.model_import.proof_images import collect_proof_images


@dataclass(frozen=True)
class ImportOptions:
    """Options of the command line, as texts where they have parts; None leaves a value to the model or its adapter.

    Attributes:
        adapter: Its name.
        image_size: WIDTHxHEIGHT in pixels.
        channels: "rgb" or "bgr".
        mean: Subtracted from the channels: one number, or three with commas between them.
        scale: The channels are divided by it: one number or three.
        first_class: Class number of the first label.
        threshold: Minimum score of a detection, in [0, 1].
        iou_threshold: Overlap above which the lower-scored of two boxes is suppressed, in [0, 1].
        licence: Of the model.
        origin: Where it is from.
    """

    adapter: str | None = None
    image_size: str | None = None
    channels: str | None = None
    mean: str | None = None
    scale: str | None = None
    first_class: int | None = None
    threshold: float | None = None
    iou_threshold: float = DEFAULT_IOU_THRESHOLD
    licence: str = ""
    origin: str = ""


def import_and_print(
    model: Path,
    labels: Path,
    *,
    name: str | None,
    output: Path,
    images: Sequence[Path],
    options: ImportOptions,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Import a model and print the result.

    Args:
        model: A SavedModel folder, an IR or an ONNX file.
        labels: File with the names of its classes.
        name: Of the run and, later, of the function; None takes the model's.
        output: Where runs live.
        images: For the proof; see `collect_proof_images`.
        options: How the model is read.
        overwrite: Replace an earlier import of that name.
        as_json: Print JSON.

    Returns:
        The exit code.
    """
    name = _default_name(model) if name is None else name
    check_name(name)
    request = ImportRequest(
        model,
        read_class_names(labels),
        adapter=options.adapter,
        image_size=_size(options.image_size),
        preprocessing=_preprocessing(options),
        first_class=options.first_class,
        threshold=options.threshold,
        iou_threshold=options.iou_threshold,
        licence=options.licence,
        origin=options.origin,
    )
    with tempfile.TemporaryDirectory(prefix="preannotate-") as store:
        proof_images = collect_proof_images(images, Path(store), request.labels)
        imported = import_model(
            request,
            proof_images.truth,
            output / name,
            for_calibration=proof_images.given,
            overwrite=overwrite,
            progress=lambda step: print(f"{step} …", file=sys.stderr),
        )
    print(json.dumps(_to_json(imported), ensure_ascii=False) if as_json else _to_text(imported, proof_images.given))
    return 0


def _default_name(model: Path) -> str:
    path = model.resolve()
    if path.name in ("saved_model", "saved_model.pb"):  # as exporters call it
        path = path.parent
    return default_name(path.with_suffix(""))


def _preprocessing(options: ImportOptions) -> PreprocessingOptions:
    mean, scale = (
        None if text is None else _three_numbers(option, text)
        for option, text in (("--mean", options.mean), ("--scale", options.scale))
    )
    if scale and 0.0 in scale:
        raise UsageError(f"--scale: {options.scale!r}; expected numbers other than 0.")
    return PreprocessingOptions(options.channels, mean, scale)


def _three_numbers(option: str, text: str) -> tuple[float, float, float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    # Written so that a NaN is refused too.
    if len(numbers) not in (1, 3) or not all(abs(number) < 1e6 for number in numbers):
        raise UsageError(f"{option}: {text!r}; expected one number, or three with commas between them.")
    first, second, third = numbers * (3 // len(numbers))
    return first, second, third


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() and 16 <= int(part) <= 8192 for part in parts):
        return int(parts[0]), int(parts[1])
    raise UsageError(f"--image-size: {text!r}; expected WIDTHxHEIGHT in pixels, as in 640x640.")


def _to_json(imported: ImportResult) -> dict[str, Any]:
    return {
        "run": str(imported.directory),
        "adapter": imported.manifest.family,
        "input_size": list(imported.manifest.input_size),
        "labels": list(imported.manifest.labels),
        "threshold": imported.manifest.postprocess.threshold,
        "reference": imported.network,
        "images": imported.images,
        "detections": imported.detections,
        "scores": imported.scores.to_json() if imported.scores else None,
    }


def _to_text(imported: ImportResult, given: bool) -> str:
    manifest = imported.manifest
    width, height = manifest.input_size
    if imported.scores:
        accuracy = (
            f"mAP50 {imported.scores.map50:.3f}, mAP {imported.scores.mean_ap:.3f} on {imported.images} annotated "
            f"images with {imported.scores.boxes} boxes"
        )
    else:
        what = f"{imported.images} images without annotations" if given else f"{imported.images} synthetic images"
        accuracy = (
            f"{imported.detections} detections on {what}; accuracy was not measured, threshold "
            f"{manifest.postprocess.threshold:g}. Give annotated images with --proof-images"
        )
    return (
        f"{imported.directory}: adapter {manifest.family}, {len(manifest.labels)} classes, input {width}x{height}\n"
        f"reference: {imported.network}\n"
        f"{accuracy}\n"
        f"next: preannotate build {imported.directory}"
    )
