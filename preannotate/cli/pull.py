"""`preannotate pull`."""

import argparse
from pathlib import Path

from preannotate.cli.arguments import add_json, add_login, add_pull_rules, add_sources, login_of
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_sources(parser)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="new folder, or that of an earlier pull to update"
    )
    add_pull_rules(parser)
    add_json(parser)
    add_login(parser)


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.annotation.cvat_command import run_pull as run

    return run(
        arguments.output,
        tasks=arguments.task,
        projects=arguments.project,
        jobs=arguments.job,
        completed_jobs=arguments.completed_jobs,
        include_auto=arguments.include_auto,
        accept_completed=arguments.accept_completed,
        as_json=arguments.json,
        login=login_of(arguments),
    )


COMMAND = Command("pull", "download annotated frames from CVAT", _add_arguments, _run)
