"""`preannotate review`."""

import argparse
import json
from pathlib import Path

from preannotate.cli.arguments import add_function_on_task
from preannotate.cli.command import Command
from preannotate.cli.cvat_server import cvat_server
from preannotate.core.errors import UsageError


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_function_on_task(parser, top="number of disagreements to show on the page")
    add = parser.add_argument
    add("--completed-jobs", action="store_true", help="use only frames of completed jobs")
    add("--issues", action="store_true", help="also create an issue in CVAT for each disagreement shown, once")
    add("--run", type=Path, metavar="RUN", help="training run of the function; marks the frames it was trained on")


def _run(arguments: argparse.Namespace) -> int:
    from builder.function_directory import FunctionDirectory

    if arguments.run is not None and not (arguments.run / "data" / "train.json").is_file():
        raise UsageError(f"--run: {arguments.run} is no training run; expected runs/NAME. Name the function's run.")
    function = FunctionDirectory.open(arguments.function)
    output = arguments.output or Path(f"task-{arguments.task}")
    with cvat_server(arguments) as server:
        from preannotate.active_learning.review.results import summary, table
        from preannotate.active_learning.review.review_task import ReviewRequest, review_task

        request = ReviewRequest(
            arguments.task,
            function,
            output,
            top=arguments.top,
            completed_jobs=arguments.completed_jobs,
            create_issues=arguments.issues,
            run=arguments.run,
            workers=arguments.workers,
        )
        review = review_task(server, request)
    if arguments.json:
        print(json.dumps(review, ensure_ascii=False, indent=1))
    else:
        print(f"{table(review)}\n\n{summary(review, output)}" if review["disagreements"] else summary(review, output))
    return int(bool(review["unreadable"]))


COMMAND = Command("review", "find likely annotation mistakes in a task", _add_arguments, _run)
