"""The command `import`: its arguments, and who does it."""

import argparse
from pathlib import Path

from preannotate.cli.command import Commands


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `import`."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="ONNX file, OpenVINO IR (.xml), or SavedModel of the TF OD API")
    add("--labels", type=Path, metavar="FILE", required=True, help="names of its classes: one a line, JSON, or .pbtxt")
    add("--name", help="of the run and the function (default: the model's)")
    add("--output", type=Path, metavar="DIR", default=Path("runs"), help="default: runs")
    add(
        "--images",
        type=Path,
        nargs="+",
        default=[],
        metavar="EXPORT",
        help="what to prove it on: annotated exports, or folders of photos (default: drawn scenes)",
    )
    add("--adapter", metavar="A", help="what its outputs mean (default: the one that fits; docs/importing.md)")
    add("--image-size", metavar="WxH", help="of the input, where the model leaves it open")
    add("--channels", choices=("rgb", "bgr"), help="order of the channels (default: the adapter's)")
    add("--mean", metavar="M", help="subtracted from each channel: one number, or three as in 123.7,116.3,103.5")
    add("--scale", metavar="S", help="then divided by: the same")
    add("--first-class", type=int, choices=(0, 1), help="number of the first label (default: the adapter's)")
    add(
        "--threshold",
        type=float,
        metavar="T",
        help="score from which a detection counts (default: chosen by annotations, or the adapter's)",
    )
    add("--iou-threshold", type=float, metavar="T", default=0.5, help="of the suppression (default: 0.5)")
    add("--licence", default="", metavar="TEXT", help="of the model; kept in model.json")
    add("--origin", default="", metavar="TEXT", help="where the model is from; kept in model.json")
    add("--overwrite", action="store_true", help="replace an earlier import of that name")
    add("--json", action="store_true", help="print the result as JSON")


def run_import(arguments: argparse.Namespace) -> int:
    """Import a model; returns the exit code."""
    from preannotate.model_import.command import run

    options = ("adapter", "image_size", "channels", "mean", "scale", "first_class", "threshold", "iou_threshold")
    return run(
        arguments.model,
        arguments.labels,
        name=arguments.name,
        output=arguments.output,
        images=arguments.images,
        options={key: getattr(arguments, key) for key in (*options, "licence", "origin")},
        overwrite=arguments.overwrite,
        as_json=arguments.json,
    )


COMMANDS: Commands = {
    "import": ("take somebody else's detector as if it had been trained here", add_import_arguments, run_import),
}
