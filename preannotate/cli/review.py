"""`preannotate review`."""

import argparse
from pathlib import Path

from preannotate.cli.arguments import add_function_on_task, login_of
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_function_on_task(parser, top="number of disagreements to show on the page")
    add = parser.add_argument
    add("--completed-jobs", action="store_true", help="use only frames of completed jobs")
    add("--issues", action="store_true", help="also create an issue in CVAT for each disagreement shown, once")
    add("--run", type=Path, metavar="RUN", help="training run of the function; marks the frames it was trained on")


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.active_learning.review.command import run_review as run

    return run(
        arguments.task,
        arguments.function,
        output=arguments.output,
        completed_jobs=arguments.completed_jobs,
        issues=arguments.issues,
        top=arguments.top,
        run=arguments.run,
        workers=arguments.workers,
        as_json=arguments.json,
        login=login_of(arguments),
    )


COMMAND = Command("review", "find likely annotation mistakes in a task", _add_arguments, _run)
