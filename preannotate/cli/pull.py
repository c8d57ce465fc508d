"""The command `pull`: its arguments, and who does it."""

import argparse
from pathlib import Path

from preannotate.cli.command import Commands
from preannotate.cli.login_arguments import add_login_arguments, login_of


def add_pull_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pull`."""
    add = parser.add_argument
    for name in ("task", "project", "job"):
        add(f"--{name}", type=int, action="append", default=[], metavar="ID", help="may be given several times")
    add("--output", type=Path, required=True, metavar="DIR", help="new folder, or an earlier pull to bring up to date")
    add("--completed-jobs", action="store_true", help="only frames of jobs whose state is completed")
    add("--include-auto", action="store_true", help="also frames with nothing but unchanged automatic shapes")
    add("--accept-completed", action="store_true", help="automatic shapes of completed jobs count as checked by people")
    add("--json", action="store_true", help="print source.json instead of words")
    add_login_arguments(parser)


def run_pull(arguments: argparse.Namespace) -> int:
    """Bring annotated frames from CVAT; returns the exit code."""
    from preannotate.annotation.cvat_command import run_pull as run

    return run(
        arguments.output,
        tasks=arguments.task,
        projects=arguments.project,
        jobs=arguments.job,
        completed_jobs=arguments.completed_jobs,
        include_auto=arguments.include_auto,
        accept_completed=arguments.accept_completed,
        as_json=arguments.json,
        **login_of(arguments),
    )


COMMANDS: Commands = {
    "pull": ("bring annotated frames out of CVAT's tasks", add_pull_arguments, run_pull),
}
