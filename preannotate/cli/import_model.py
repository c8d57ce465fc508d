"""`preannotate import`."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preannotate.cli.arguments import (
    add_json,
    add_label_choice,
    add_overwrite,
    add_threshold,
    fraction,
    label_choice_of,
)
from preannotate.cli.command import Command
from preannotate.core.text import format_scores, plural

if TYPE_CHECKING:
    from builder.imports.import_model import ImportResult


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="ONNX file, OpenVINO IR (.xml) or SavedModel of TensorFlow's Object "
        "Detection API")  # fmt: skip
    add("--labels", type=Path, metavar="FILE", help="class names: one per line, JSON, data.yaml or .pbtxt "
        "(default: those in the model)")  # fmt: skip
    add_label_choice(parser)
    add("--name", help="name of the run and of the function (default: the model's)")
    add("--output", type=Path, metavar="DIR", default=Path("runs"), help="folder of runs (default: runs)")
    add("--proof-images", type=Path, nargs="+", default=[], metavar="EXPORT", help="annotated exports or folders of "
        "photos on which the function is verified (default: synthetic images)")  # fmt: skip
    add("--adapter", metavar="A", help="format of the outputs (default: the one that fits; docs/importing.md)")
    add("--image-size", type=_size, metavar="WxH", help="input size, where the model leaves it open")
    add("--channels", choices=("rgb", "bgr"), help="order of the colour channels (default: the adapter's)")
    add("--mean", type=_three_numbers, metavar="M", help="subtracted from the channels: one number, or three such as "
        "123.7,116.3,103.5")  # fmt: skip
    add("--scale", type=_divisors, metavar="S", help="the channels are divided by it: one number or three")
    add("--first-class", type=int, choices=(0, 1), help="class id of the first label (default: the adapter's)")
    add_threshold(parser, "chosen on annotated proof images, else the adapter's")
    add("--iou-threshold", type=fraction, metavar="T", default=0.5, help="overlap from which the weaker of two "
        "boxes is suppressed (default: 0.5)")  # fmt: skip
    add("--licence", default="", metavar="TEXT", help="licence of the model; kept in model.json")
    add("--origin", default="", metavar="TEXT", help="where the model is from; kept in model.json")
    add_overwrite(parser, "an earlier import of that name")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from builder.function_yaml import check_name
    from builder.imports.class_names import read_class_names
    from builder.imports.import_model import ImportRequest
    from builder.imports.layout import PreprocessingOptions
    from preannotate.model_import import import_with_proof_images

    name = _default_name(arguments.model) if arguments.name is None else arguments.name
    check_name(name)
    request = ImportRequest(
        arguments.model,
        read_class_names(arguments.labels) if arguments.labels else (),
        adapter=arguments.adapter,
        image_size=arguments.image_size,
        preprocessing=PreprocessingOptions(arguments.channels, arguments.mean, arguments.scale),
        first_class=arguments.first_class,
        threshold=arguments.threshold,
        iou_threshold=arguments.iou_threshold,
        licence=arguments.licence,
        origin=arguments.origin,
        choice=label_choice_of(arguments),
    )
    imported = import_with_proof_images(
        request,
        arguments.proof_images,
        arguments.output / name,
        overwrite=arguments.overwrite,
        progress=lambda step: print(f"{step} …", file=sys.stderr),
    )
    given = bool(arguments.proof_images)
    print(json.dumps(_to_json(imported), ensure_ascii=False) if arguments.json else _to_text(imported, given))
    return 0


def _default_name(model: Path) -> str:
    from builder.build import default_name

    path = model.resolve()
    if path.name in ("saved_model", "saved_model.pb"):  # as exporters call it
        path = path.parent
    return default_name(path.with_suffix(""))


def _three_numbers(text: str) -> tuple[float, float, float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    # Written so that a NaN is refused too.
    if len(numbers) not in (1, 3) or not all(abs(number) < 1e6 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r}; expected one number, or three with commas between them.")
    first, second, third = numbers * (3 // len(numbers))
    return first, second, third


def _divisors(text: str) -> tuple[float, float, float]:
    numbers = _three_numbers(text)
    if 0.0 in numbers:
        raise argparse.ArgumentTypeError(f"{text!r}; expected numbers other than 0.")
    return numbers


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() and 16 <= int(part) <= 8192 for part in parts):
        return int(parts[0]), int(parts[1])
    raise argparse.ArgumentTypeError(f"{text!r}; expected WIDTHxHEIGHT in pixels, as in 640x640.")


def _to_json(imported: "ImportResult") -> dict[str, Any]:
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
        "mask_scores": imported.mask_scores.to_json() if imported.mask_scores else None,
        "notes": list(imported.notes),
    }


def _to_text(imported: "ImportResult", given: bool) -> str:
    manifest = imported.manifest
    width, height = manifest.input_size
    if imported.scores:
        accuracy = (
            f"{format_scores(imported.scores.map50, imported.scores.mean_ap)} on "
            f"{plural(imported.images, 'annotated image')} with {plural(imported.scores.boxes, 'box', 'boxes')}"
        )
        if imported.mask_scores:
            accuracy += (
                f"; masks: {format_scores(imported.mask_scores.map50, imported.mask_scores.mean_ap)} with "
                f"{plural(imported.mask_scores.boxes, 'annotated mask')}"
            )
    else:
        images = f"{imported.images} images without annotations" if given else f"{imported.images} synthetic images"
        accuracy = (
            f"{imported.detections} detections on {images}; accuracy was not measured, threshold "
            f"{manifest.postprocess.threshold:g}. Give annotated images with --proof-images"
        )
    return (
        f"{imported.directory}: adapter {manifest.family}, {len(manifest.labels)} classes, input {width}x{height}\n"
        f"reference: {imported.network}\n"
        f"{accuracy}\n"
        f"{''.join(f'note: {note}{chr(10)}' for note in imported.notes)}"
        f"next: preannotate build {imported.directory}"
    )


COMMAND = Command("import", "import a detector trained elsewhere (ONNX, OpenVINO IR, SavedModel)", _add_arguments, _run)
