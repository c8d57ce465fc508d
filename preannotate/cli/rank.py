"""`preannotate rank`."""

import argparse
import json
from pathlib import Path

from preannotate.cli.arguments import add_function_on_task
from preannotate.cli.command import Command
from preannotate.cli.cvat_server import cvat_server
from preannotate.core.errors import UsageError


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_function_on_task(parser, top="number of frames to choose")
    parser.add_argument("--create-task", metavar="NAME", help="also create a CVAT task of the chosen frames, once")


def _run(arguments: argparse.Namespace) -> int:
    from builder.function_directory import FunctionDirectory

    name = arguments.create_task
    if name is not None and not name.strip():
        raise UsageError("--create-task: an empty name; expected the name of the new task.")
    function = FunctionDirectory.open(arguments.function)
    output = arguments.output or Path(f"task-{arguments.task}")
    with cvat_server(arguments) as server:
        from preannotate.active_learning.ranking.rank_task import RankingRequest, rank_task
        from preannotate.active_learning.ranking.results import summary, table

        request = RankingRequest(
            arguments.task, function, output, arguments.top, name and name.strip(), arguments.workers
        )
        ranking = rank_task(server, request)
    if arguments.json:
        print(json.dumps(ranking, ensure_ascii=False, indent=1))
    else:
        print(f"{table(ranking)}\n\n{summary(ranking, output)}" if ranking["frames"] else summary(ranking, output))
    return int(bool(ranking["unreadable"]))


COMMAND = Command("rank", "choose the frames of a task to annotate next", _add_arguments, _run)
