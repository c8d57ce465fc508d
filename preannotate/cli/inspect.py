"""`preannotate inspect`."""

import argparse
import json
from pathlib import Path

from preannotate.cli.arguments import (
    add_images_file,
    add_json,
    add_labels,
    add_negatives,
    add_overwrite,
    labels_of,
)
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("exports", type=Path, nargs="+", metavar="EXPORT", help="annotations as for `preannotate train`")
    add("--overlay", type=Path, metavar="DIR", help="write copies of the images with the annotations drawn in")
    add_overwrite(parser, "existing files of --overlay")
    add("--include-auto", action="store_true", help="also use automatic annotations that nobody changed")
    add("--masks", action="store_true", help="also show what is learnt as outlines, for models with masks")
    add_negatives(parser)
    add_images_file(parser)
    add_labels(parser)
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from trainer.inspection import inspect_exports
    from trainer.request import read_image_names

    inspection = inspect_exports(
        arguments.exports,
        include_auto=arguments.include_auto,
        negatives=arguments.negatives,
        labels=labels_of(arguments),
        only=read_image_names(arguments.images),
        masks=arguments.masks,
        overlay=arguments.overlay,
        overwrite=arguments.overwrite,
    )
    print(json.dumps(inspection.to_json(), ensure_ascii=False, indent=1) if arguments.json else inspection.to_text())
    return 0


COMMAND = Command("inspect", "show what a training would learn from annotations", _add_arguments, _run)
