"""What `rank` and `review` have in common: a function runs on a CVAT task, and the results go to a folder."""

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preannotate.cli.arguments import add_function, add_json, add_login, add_workers, positive
from preannotate.cli.cvat_server import cvat_server

if TYPE_CHECKING:
    from preannotate.active_learning.task_results import TaskResults
    from preannotate.cvat.server import Server


def add_function_on_task(parser: argparse.ArgumentParser, *, top: str) -> None:
    """Declare the common arguments; `top` is the help of `--top`."""
    add_function(parser)
    parser.add_argument("--task", type=int, required=True, metavar="ID", help="ID of the CVAT task")
    parser.add_argument("--top", type=positive, default=50, metavar="N", help=f"{top} (default: 50)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the results (default: task-ID)")
    add_workers(parser)
    add_json(parser)
    add_login(parser)


@contextlib.contextmanager
def function_on_task(arguments: argparse.Namespace) -> Iterator[tuple["Server", dict[str, Any]]]:
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


def print_results(results: "TaskResults", table: str, summary: str, *, as_json: bool) -> int:
    """Print results; return the exit code, 1 if an image could not be read."""
    print(json.dumps(results, ensure_ascii=False, indent=1) if as_json else f"{table}{summary}")
    return int(bool(results["unreadable"]))
