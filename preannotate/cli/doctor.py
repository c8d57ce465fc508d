"""The command `doctor`: its arguments, and who does it."""

import argparse
from pathlib import Path

from preannotate.cli.command import Commands


def add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor`."""
    add = parser.add_argument
    add("functions", type=Path, nargs="*", metavar="FUNCTION", help="functions/NAME, or a folder of them")
    add("--nuclio", metavar="URL", help="nuclio's dashboard, or `preannotate serve`")
    add("--cvat", metavar="URL", help="CVAT; the login comes from CVAT_ACCESS_TOKEN")
    add("--task", type=int, metavar="ID", help="with --cvat: call the functions on a frame of this task")
    add("--frame", type=int, default=0, metavar="N", help="of that task (default: 0)")
    add("--gpu", action="store_true", help="also look at the GPU and at GPU variants")
    add("--json", action="store_true", help="print the findings as JSON")


def run_doctor(arguments: argparse.Namespace) -> int:
    """Say what is wrong and what helps; returns the exit code."""
    from preannotate.diagnostics.command import Options, run

    options = Options(
        tuple(arguments.functions), arguments.cvat, arguments.nuclio, arguments.task, arguments.frame, arguments.gpu
    )
    return run(options, as_json=arguments.json)


COMMANDS: Commands = {
    "doctor": ("say why no model shows or answers, and what helps", add_doctor_arguments, run_doctor),
}
