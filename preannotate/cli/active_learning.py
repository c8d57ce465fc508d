"""`preannotate rank` and `review`: a function runs on a CVAT task, and the results go to a folder."""

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preannotate.cli.arguments import add_function, add_json, add_login, add_workers, cvat_server, positive
from preannotate.cli.command import Command
from preannotate.core.errors import UsageError

if TYPE_CHECKING:
    from preannotate.active_learning.task_results import TaskResults
    from preannotate.cvat.server import Server


def _add_rank_arguments(parser: argparse.ArgumentParser) -> None:
    _add_common_arguments(parser, top="number of frames to choose")
    parser.add_argument("--create-task", metavar="NAME", help="also create a CVAT task of the chosen frames, once")


def _run_rank(arguments: argparse.Namespace) -> int:
    name = arguments.create_task
    if name is not None and not name.strip():
        raise UsageError("--create-task: an empty name; expected the name of the new task.")
    with _function_on_task(arguments) as (server, fields):
        from preannotate.active_learning.ranking.rank_task import RankingRequest, rank_task
        from preannotate.active_learning.ranking.results import summary, table

        request = RankingRequest(**fields, new_task_name=name and name.strip())
        ranking = rank_task(server, request)
    return _print_results(ranking, table(ranking), summary(ranking, request.output), as_json=arguments.json)


def _add_review_arguments(parser: argparse.ArgumentParser) -> None:
    _add_common_arguments(parser, top="number of disagreements to show on the page")
    add = parser.add_argument
    add("--completed-jobs", action="store_true", help="use only frames of completed jobs")
    add("--issues", action="store_true", help="also create an issue in CVAT for each disagreement shown, once")
    add("--run", type=Path, metavar="RUN", help="training run of the function; marks the frames it was trained on")


def _run_review(arguments: argparse.Namespace) -> int:
    if arguments.run is not None and not (arguments.run / "data" / "train.json").is_file():
        raise UsageError(f"--run: {arguments.run} is no training run; expected runs/NAME. Name the function's run.")
    with _function_on_task(arguments) as (server, fields):
        from preannotate.active_learning.review.results import summary, table
        from preannotate.active_learning.review.review_task import ReviewRequest, review_task

        request = ReviewRequest(
            **fields, completed_jobs=arguments.completed_jobs, create_issues=arguments.issues, run=arguments.run
        )
        review = review_task(server, request)
    return _print_results(review, table(review), summary(review, request.output), as_json=arguments.json)


def _add_common_arguments(parser: argparse.ArgumentParser, *, top: str) -> None:
    add_function(parser)
    parser.add_argument("--task", type=int, required=True, metavar="ID", help="ID of the CVAT task")
    parser.add_argument("--top", type=positive, default=50, metavar="N", help=f"{top} (default: 50)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the results (default: task-ID)")
    add_workers(parser)
    add_json(parser)
    add_login(parser)


@contextlib.contextmanager
def _function_on_task(arguments: argparse.Namespace) -> Iterator[tuple["Server", dict[str, Any]]]:
    """Open the function and log in to CVAT; yield the server, and the fields of `FunctionOnTask`."""
    from builder.function_directory import FunctionDirectory

    fields = {
        "task": arguments.task,
        "function": FunctionDirectory.open(arguments.function),
        "output": arguments.output or Path(f"task-{arguments.task}"),
        "top": arguments.top,
        "workers": arguments.workers,
    }
    with cvat_server(arguments) as server:
        yield server, fields


def _print_results(results: "TaskResults", table: str, summary: str, *, as_json: bool) -> int:
    """Print results; return the exit code, 1 if an image could not be read."""
    print(json.dumps(results, ensure_ascii=False, indent=1) if as_json else f"{table}{summary}")
    return int(bool(results["unreadable"]))


COMMANDS = (
    Command("rank", "choose the frames of a task to annotate next", _add_rank_arguments, _run_rank),
    Command("review", "find likely annotation mistakes in a task", _add_review_arguments, _run_review),
)
