"""`preannotate draw`."""

import argparse
from pathlib import Path

from preannotate.cli.arguments import positive
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("output", type=Path, metavar="EXPORT", help="zip file or folder to write")
    add("--count", type=positive, default=40, metavar="N", help="number of images (default: 40)")
    add("--seed", type=int, default=0, metavar="N", help="seed of the random images (default: 0)")


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.synthetic import write_export

    write_export(arguments.output, arguments.count, arguments.seed)
    print(f"{arguments.count} images in {arguments.output}")
    return 0


COMMAND = Command("draw", "write synthetic annotated images to try things on", _add_arguments, _run)
