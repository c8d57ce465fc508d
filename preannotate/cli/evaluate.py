"""`preannotate evaluate`."""

import argparse
from pathlib import Path

from preannotate.cli import arguments as shared
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="RUN_OR_FUNCTION", help="runs/NAME or functions/NAME")
    parser.add_argument(
        "exports", type=Path, nargs="+", metavar="EXPORT", help="annotated images that the model was not trained on"
    )
    shared.add_images_file(parser)
    parser.add_argument("--include-auto", action="store_true", help="treat automatic annotations as correct")
    shared.add_negatives(parser)
    shared.add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.model_evaluation.evaluate import print_evaluation
    from trainer.request import read_image_names

    return print_evaluation(
        arguments.model,
        arguments.exports,
        only=read_image_names(arguments.images),
        include_auto=arguments.include_auto,
        negatives=arguments.negatives,
        as_json=arguments.json,
    )


COMMAND = Command("evaluate", "measure COCO mAP on annotated images", _add_arguments, _run)
