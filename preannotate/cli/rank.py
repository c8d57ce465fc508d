"""The command `rank`: its arguments, and who does it."""

import argparse
from pathlib import Path

from preannotate.cli.command import Commands
from preannotate.cli.login_arguments import add_login_arguments, login_of


def add_rank_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rank`."""
    add = parser.add_argument
    add("--cvat-task", type=int, required=True, metavar="ID", help="task with frames that have no annotations yet")
    add("--function", type=Path, required=True, metavar="FUNCTION", help="functions/NAME")
    add("--top", type=int, default=50, metavar="N", help="how many frames to choose (default: 50)")
    add("--output", type=Path, metavar="DIR", help="folder for results (default: task-ID)")
    add("--create-task", metavar="NAME", help="also make a new task of the chosen frames, once")
    add("--workers", type=int, help="processes that share the work (default: one for each core)")
    add("--json", action="store_true", help="print ranking.json instead of a table")
    add_login_arguments(parser)


def run_rank(arguments: argparse.Namespace) -> int:
    """Say which frames to annotate next; returns the exit code."""
    from preannotate.active_learning.ranking.command import run_rank as run

    return run(
        arguments.cvat_task,
        arguments.function,
        output=arguments.output,
        top=arguments.top,
        create_task=arguments.create_task,
        workers=arguments.workers,
        as_json=arguments.json,
        **login_of(arguments),
    )


COMMANDS: Commands = {
    "rank": ("say which frames of a task to annotate next", add_rank_arguments, run_rank),
}
