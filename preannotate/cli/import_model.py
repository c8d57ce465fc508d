"""`preannotate import`."""

import argparse
from pathlib import Path

from preannotate.cli.arguments import add_json, add_overwrite, add_threshold, fraction
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="ONNX file, OpenVINO IR (.xml) or SavedModel of TensorFlow's Object "
        "Detection API")  # fmt: skip
    add("--labels", type=Path, metavar="FILE", required=True, help="class names: one per line, JSON or .pbtxt")
    add("--name", help="name of the run and of the function (default: the model's)")
    add("--output", type=Path, metavar="DIR", default=Path("runs"), help="folder of runs (default: runs)")
    add("--proof-images", type=Path, nargs="+", default=[], metavar="EXPORT", help="annotated exports or folders of "
        "photos on which the function is verified (default: synthetic images)")  # fmt: skip
    add("--adapter", metavar="A", help="format of the outputs (default: the one that fits; docs/importing.md)")
    add("--image-size", metavar="WxH", help="input size, where the model leaves it open")
    add("--channels", choices=("rgb", "bgr"), help="order of the colour channels (default: the adapter's)")
    add("--mean", metavar="M", help="subtracted from the channels: one number, or three such as 123.7,116.3,103.5")
    add("--scale", metavar="S", help="the channels are divided by it: one number or three")
    add("--first-class", type=int, choices=(0, 1), help="class id of the first label (default: the adapter's)")
    add_threshold(parser, "chosen on annotated proof images, else the adapter's")
    add("--iou-threshold", type=fraction, metavar="T", default=0.5, help="overlap from which the weaker of two "
        "boxes is suppressed (default: 0.5)")  # fmt: skip
    add("--licence", default="", metavar="TEXT", help="licence of the model; kept in model.json")
    add("--origin", default="", metavar="TEXT", help="where the model is from; kept in model.json")
    add_overwrite(parser, "an earlier import of that name")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.model_import.command import ImportOptions, import_and_print

    return import_and_print(
        arguments.model,
        arguments.labels,
        name=arguments.name,
        output=arguments.output,
        images=arguments.proof_images,
        options=ImportOptions(
            adapter=arguments.adapter,
            image_size=arguments.image_size,
            channels=arguments.channels,
            mean=arguments.mean,
            scale=arguments.scale,
            first_class=arguments.first_class,
            threshold=arguments.threshold,
            iou_threshold=arguments.iou_threshold,
            licence=arguments.licence,
            origin=arguments.origin,
        ),
        overwrite=arguments.overwrite,
        as_json=arguments.json,
    )


COMMAND = Command("import", "import a detector trained elsewhere (ONNX, OpenVINO IR, SavedModel)", _add_arguments, _run)
