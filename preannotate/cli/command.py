"""A command of the command line, and how one is run: exit codes, errors, `--debug`.

Exit codes: 0 done; 1 a check failed, or some of the images could not be read; 2 the command could not run, one
sentence says why; 3 another worker of a training was lost; 70 an unexpected error, whose traceback is in a file;
130 interrupted by Ctrl-C; 141 nobody reads the output any more.
"""

import argparse
import contextlib
import datetime
import os
import platform
import select
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preannotate.core.errors import PreannotateError
from preannotate.core.files import replace_text
from preannotate.core.secrets import redacted
from preannotate.core.terminal import safe_lines, safe_output
from preannotate.core.text import printable
from runtime.errors import FunctionError

COULD_NOT_RUN = 2
_LONGEST_LINE = 4000
UNEXPECTED = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130
NO_READER = 141  # as a shell reports a program that SIGPIPE ended
# Tracebacks that are kept, the newest ones, and characters of each.
LOGS_KEPT, LONGEST_LOG = 20, 100_000


@dataclass(frozen=True)
class Command:
    """One command; `help` is a line without a full stop, and `run` returns the exit code."""

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
    _add_debug(parser, default=False)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_CommandParser)
    for command in commands:
        description = f"{command.help[0].upper()}{command.help[1:]}."
        subparser = subparsers.add_parser(command.name, help=command.help, description=description)
        command.add_arguments(subparser)
        _add_debug(subparser, default=argparse.SUPPRESS)
        subparser.set_defaults(execute=command.run)
    return parser


class _CommandParser(argparse.ArgumentParser):
    """Accepts options between positional arguments, as in `annotate FUNCTION --threshold 0.4 photos/`."""

    _intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._intermixed:  # called by `parse_known_intermixed_args`, for options and for positional arguments
            return super().parse_known_args(args, namespace)
        self._intermixed = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixed = False


def _add_debug(parser: argparse.ArgumentParser, *, default: object) -> None:
    """Accept `--debug` before and after the name of a command."""
    parser.add_argument("--debug", action="store_true", default=default, help="show the traceback of any error")


def execute(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    """Parse a command line, run its command and return the exit code; every error becomes one sentence."""
    with safe_output():
        return _execute(parser, arguments)


def _execute(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    parsed = parser.parse_args(arguments)
    try:
        code: int = parsed.execute(parsed)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except (PreannotateError, FunctionError) as error:
        if parsed.debug:
            print(redacted(traceback.format_exc()), file=sys.stderr, end="")
        print(f"error: {_shown(error)}", file=sys.stderr)
        return getattr(error, "exit_code", COULD_NOT_RUN)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return NO_READER
        report = safe_lines(redacted(traceback.format_exc()))
        if parsed.debug:
            print(report, file=sys.stderr, end="")
            where = "The traceback is above."
        else:
            where = keep_traceback(parsed.command, report)
        print(f"error: {parsed.command}: unexpected {type(error).__name__}: {_shown(error)}. {where}", file=sys.stderr)
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


def _shown(error: Exception) -> str:
    """Return a message whose names of strangers cannot move the cursor or reverse the line."""
    return "\n".join(printable(line, _LONGEST_LINE) for line in redacted(str(error)).split("\n"))


def keep_traceback(command: str, report: str) -> str:
    """Write the traceback of an unexpected error to a file for a bug report, and remove the oldest files.

    They lie in `$XDG_STATE_HOME/preannotate`, else `~/.local/state/preannotate`, and only their owner can read them. Of
    the command line they hold the command's name alone, for an argument may be a token. The middle of a report that is
    longer than `LONGEST_LOG` characters is left out.

    Returns:
        A sentence that says where it is; the traceback itself where it cannot be written.
    """
    if len(report) > LONGEST_LOG:
        report = f"{report[: LONGEST_LOG // 2]}\n…\n{report[-LONGEST_LOG // 2 :]}"
    now = datetime.datetime.now()
    try:
        state = Path(os.environ.get("XDG_STATE_HOME", ""))
        folder = (state if state.is_absolute() else Path.home() / ".local" / "state") / "preannotate"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"error-{now:%Y%m%d-%H%M%S}-{os.getpid()}.log"
        header = f"preannotate {command}, {now:%Y-%m-%d %H:%M:%S}, Python {platform.python_version()}"
        replace_text(path, f"{header}, {platform.platform()}\n\n{report}", mode=0o600)
        for old in sorted(folder.glob("error-*.log"))[:-LOGS_KEPT]:
            with contextlib.suppress(FileNotFoundError):
                old.unlink()
    except (PreannotateError, OSError, RuntimeError) as error:  # a full disk, or a user without a home
        return f"The traceback could not be written ({error}):\n{report.rstrip()}"
    return f"The traceback is in {path}; please report it with that file, or run the command again with --debug."
