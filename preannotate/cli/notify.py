"""`preannotate notify`."""

import argparse
from pathlib import Path

from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--test", action="store_true", help="send a test message to everyone whom --notify would inform")
    add("--picture", type=Path, metavar="FILE", help="with --test: image to attach")


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.notifications.delivery import show_or_test

    return show_or_test(test=arguments.test, picture=arguments.picture)


COMMAND = Command("notify", "show and test notification settings", _add_arguments, _run)
