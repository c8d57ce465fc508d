"""`preannotate rank`."""

import argparse

from preannotate.cli.arguments import add_function_on_task, login_of
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_function_on_task(parser, top="number of frames to choose")
    parser.add_argument("--create-task", metavar="NAME", help="also create a CVAT task of the chosen frames, once")


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.active_learning.ranking.command import run_rank as run

    return run(
        arguments.task,
        arguments.function,
        output=arguments.output,
        top=arguments.top,
        create_task=arguments.create_task,
        workers=arguments.workers,
        as_json=arguments.json,
        login=login_of(arguments),
    )


COMMAND = Command("rank", "choose the frames of a task to annotate next", _add_arguments, _run)
