"""`preannotate rank`."""

import argparse

from preannotate.cli.command import Command
from preannotate.cli.function_on_task import add_function_on_task, function_on_task, print_results
from preannotate.core.errors import UsageError


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_function_on_task(parser, top="number of frames to choose")
    parser.add_argument("--create-task", metavar="NAME", help="also create a CVAT task of the chosen frames, once")


def _run(arguments: argparse.Namespace) -> int:
    name = arguments.create_task
    if name is not None and not name.strip():
        raise UsageError("--create-task: an empty name; expected the name of the new task.")
    with function_on_task(arguments) as (server, fields):
        from preannotate.active_learning.ranking.rank_task import RankingRequest, rank_task
        from preannotate.active_learning.ranking.results import summary, table

        request = RankingRequest(**fields, new_task_name=name and name.strip())
        ranking = rank_task(server, request)
    return print_results(ranking, table(ranking), summary(ranking, request.output), as_json=arguments.json)


COMMAND = Command("rank", "choose the frames of a task to annotate next", _add_arguments, _run)
