"""The command `notify`: its arguments, and who does it."""

import argparse
from pathlib import Path

from preannotate.cli.command import Commands


def add_notify_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `notify`."""
    add = parser.add_argument
    add("--test", action="store_true", help="send a message to all who would be told")
    add("--picture", type=Path, metavar="FILE", help="with --test: an image that goes with it")


def run_notify(arguments: argparse.Namespace) -> int:
    """Say whom --notify tells, or try it; returns the exit code."""
    from preannotate.notifications.command import run

    return run(test=arguments.test, picture=arguments.picture)


COMMANDS: Commands = {
    "notify": ("say whom --notify tells, and try it", add_notify_arguments, run_notify),
}
