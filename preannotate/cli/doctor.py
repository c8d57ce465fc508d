"""`preannotate doctor`."""

import argparse
from pathlib import Path

from preannotate.cli.arguments import add_json, add_login, login_of
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("functions", type=Path, nargs="*", metavar="FUNCTION", help="function directory, or a folder of them")
    add("--nuclio", metavar="URL", help="address of nuclio's dashboard or of `preannotate serve`")
    add("--task", type=int, metavar="ID", help="with --cvat or --profile: call the functions on a frame of this task")
    add("--frame", type=int, default=0, metavar="N", help="number of the frame in that task (default: 0)")
    add("--gpu", action="store_true", help="also check the GPU and the GPU variants")
    add_json(parser)
    add_login(parser)


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.diagnostics.command import Options, print_diagnosis

    options = Options(
        functions=tuple(arguments.functions),
        cvat=login_of(arguments) if arguments.cvat or arguments.profile else None,
        nuclio=arguments.nuclio,
        task=arguments.task,
        frame=arguments.frame,
        gpu=arguments.gpu,
    )
    return print_diagnosis(options, as_json=arguments.json)


COMMAND = Command("doctor", "diagnose why a model is missing or fails", _add_arguments, _run)
