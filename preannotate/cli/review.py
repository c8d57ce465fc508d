"""`preannotate review`."""

import argparse
from pathlib import Path

from preannotate.cli.command import Command
from preannotate.cli.function_on_task import add_function_on_task, function_on_task, print_results
from preannotate.core.errors import UsageError


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_function_on_task(parser, top="number of disagreements to show on the page")
    add = parser.add_argument
    add("--completed-jobs", action="store_true", help="use only frames of completed jobs")
    add("--issues", action="store_true", help="also create an issue in CVAT for each disagreement shown, once")
    add("--run", type=Path, metavar="RUN", help="training run of the function; marks the frames it was trained on")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.run is not None and not (arguments.run / "data" / "train.json").is_file():
        raise UsageError(f"--run: {arguments.run} is no training run; expected runs/NAME. Name the function's run.")
    with function_on_task(arguments) as (server, fields):
        from preannotate.active_learning.review.results import summary, table
        from preannotate.active_learning.review.review_task import ReviewRequest, review_task

        request = ReviewRequest(
            **fields, completed_jobs=arguments.completed_jobs, create_issues=arguments.issues, run=arguments.run
        )
        review = review_task(server, request)
    return print_results(review, table(review), summary(review, request.output), as_json=arguments.json)


COMMAND = Command("review", "find likely annotation mistakes in a task", _add_arguments, _run)
