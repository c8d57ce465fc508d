"""The command `review`: its arguments, and who does it."""

import argparse
from pathlib import Path

from preannotate.cli.command import Commands
from preannotate.cli.login_arguments import add_login_arguments, login_of


def add_review_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `review`."""
    add = parser.add_argument
    add("--cvat-task", type=int, required=True, metavar="ID", help="task with annotations")
    add("--function", type=Path, required=True, metavar="FUNCTION", help="functions/NAME")
    add("--top", type=int, default=50, metavar="N", help="how many go on the page and become issues (default: 50)")
    add("--output", type=Path, metavar="DIR", help="folder for results (default: task-ID)")
    add("--completed-jobs", action="store_true", help="only frames of jobs whose state is completed")
    add("--issues", action="store_true", help="also make issues in CVAT, each once")
    add("--run", type=Path, metavar="RUN", help="runs/NAME of the function: tells frames that it was trained on")
    add("--workers", type=int, help="processes that share the work (default: one for each core)")
    add("--json", action="store_true", help="print review.json instead of a table")
    add_login_arguments(parser)


def run_review(arguments: argparse.Namespace) -> int:
    """Say where a model and people disagree; returns the exit code."""
    from preannotate.active_learning.review.command import run_review as run

    return run(
        arguments.cvat_task,
        arguments.function,
        output=arguments.output,
        completed_jobs=arguments.completed_jobs,
        issues=arguments.issues,
        top=arguments.top,
        run=arguments.run,
        workers=arguments.workers,
        as_json=arguments.json,
        **login_of(arguments),
    )


COMMANDS: Commands = {
    "review": ("say where a model and the annotations of a task disagree", add_review_arguments, run_review),
}
