"""A command of the command line, and how one is run: exit codes, errors, `--debug`.

Exit codes: 0 done; 1 a check failed, or some of the images could not be read; 2 the command could not run, one
sentence says why; 3 another worker of a training was lost; 70 an unexpected error, whose traceback is in a file;
130 interrupted by Ctrl-C; 141 nobody reads the output any more.
"""

import argparse
import os
import select
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from preannotate.cli import error_log
from preannotate.core.errors import PreannotateError
from runtime.errors import FunctionError

COULD_NOT_RUN = 2
UNEXPECTED = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130
NO_READER = 141  # as a shell reports a program that SIGPIPE ended


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: As it is typed.
        help: One line, without a full stop.
        add_arguments: Declares its arguments.
        run: Runs it with the parsed arguments; returns the exit code.
    """

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class ShowVersion(argparse.Action):
    """Print the version of the installed package and end; it is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it."""
        import importlib.metadata

        print(f"preannotate {importlib.metadata.version('preannotate')}")
        parser.exit()


def make_parser(commands: Iterable[Command]) -> argparse.ArgumentParser:
    """Return the parser of the whole command line; `execute` of what it parses is a command's `run`."""
    parser = argparse.ArgumentParser(
        prog="preannotate",
        description="Train a detector on a few CVAT annotations and publish it to CVAT.",
        epilog="Exit codes: 0 done; 1 a check failed, or an image could not be read; 2 the command could not run; "
        "3 another worker of a training was lost; 70 unexpected error; 130 interrupted.",
    )
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="print the version")
    add_debug(parser, default=False)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        description = f"{command.help[0].upper()}{command.help[1:]}."
        subparser = subparsers.add_parser(command.name, help=command.help, description=description)
        command.add_arguments(subparser)
        add_debug(subparser, default=argparse.SUPPRESS)
        subparser.set_defaults(execute=command.run)
    return parser


def add_debug(parser: argparse.ArgumentParser, *, default: object) -> None:
    """Accept `--debug` before and after the name of a command."""
    parser.add_argument("--debug", action="store_true", default=default, help="show the traceback of any error")


def execute(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    """Parse a command line, run its command and return the exit code; every error becomes one sentence."""
    parsed = parser.parse_args(arguments)
    try:
        code: int = parsed.execute(parsed)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except (PreannotateError, FunctionError) as error:
        if parsed.debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", COULD_NOT_RUN)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return NO_READER
        report = traceback.format_exc()
        if parsed.debug:
            print(report, file=sys.stderr, end="")
            where = "The traceback is above."
        else:
            where = error_log.write(parsed.command, report)
        print(f"error: {parsed.command}: unexpected {type(error).__name__}: {error}. {where}", file=sys.stderr)
        return UNEXPECTED


def _nobody_reads() -> bool:
    """Whether standard output is a pipe without a reader, as after `| head`; if so, Python writes no more to it."""
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # replaced by something that is no file
        return False
    poll = select.poll()
    poll.register(output, 0)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True
