"""What `preannotate import` does and says."""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builder.build import default_name
from builder.function_yaml import check_name
from builder.imports import labels as label_files
from builder.imports.import_model import ImportRequest, ImportResult, import_model
from preannotate.core.errors import UsageError
from preannotate.model_import.proof_images import collect_proof_images


def import_and_print(
    model: Path,
    labels: Path,
    *,
    name: str | None,
    output: Path,
    images: Sequence[Path],
    options: dict[str, Any],
    overwrite: bool,
    as_json: bool,
) -> int:
    """Import a model and say what came of it.

    Args:
        model: A SavedModel folder, an IR or an ONNX file.
        labels: File with the names of its classes.
        name: Of the run and, later, of the function; None takes the model's.
        output: Where runs live.
        images: For the proof; see `proof_images.collect`.
        options: The other fields of `builder.imports.import_model.Request`, as texts where the command line has them.
        overwrite: Replace an earlier import of that name.
        as_json: Print JSON.

    Returns:
        The exit code.
    """
    name = _default_name(model) if name is None else name
    check_name(name)
    request = ImportRequest(model, label_files.read_class_names(labels), **_typed(options))
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
    print(json.dumps(_content(imported), ensure_ascii=False) if as_json else _words(imported, proof_images.given))
    return 0


def _default_name(model: Path) -> str:
    path = model.resolve()
    if path.name in ("saved_model", "saved_model.pb"):  # as exporters call it
        path = path.parent
    return default_name(path.with_suffix(""))


def _typed(options: dict[str, Any]) -> dict[str, Any]:
    pixels: dict[str, Any] = {}
    if options["channels"]:
        pixels["order"] = options["channels"]
    for key in ("mean", "scale"):
        if options[key] is not None:
            pixels[key] = _three_numbers(f"--{key}", options[key])
    if 0.0 in pixels.get("scale", ()):
        raise UsageError(f"--scale: {options['scale']!r}; expected numbers that one can divide by.")
    rest = {key: value for key, value in options.items() if key not in ("channels", "mean", "scale", "image_size")}
    return {**rest, "pixels": pixels, "image_size": _size(options["image_size"])}


def _three_numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    # Written so that a NaN is refused too.
    if len(numbers) not in (1, 3) or not all(abs(number) < 1e6 for number in numbers):
        raise UsageError(f"{option}: {text!r}; expected one number, or three with commas between them.")
    return numbers * (3 // len(numbers))


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() and 16 <= int(part) <= 8192 for part in parts):
        return int(parts[0]), int(parts[1])
    raise UsageError(f"--image-size: {text!r}; expected WIDTHxHEIGHT in pixels, as in 640x640.")


def _content(imported: ImportResult) -> dict[str, Any]:
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


def _words(imported: ImportResult, given: bool) -> str:
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
