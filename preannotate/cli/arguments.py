"""Arguments that several commands share: the same word, type and help for the same thing everywhere."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from preannotate.core.errors import UsageError
from preannotate.core.text import split_list
from preannotate.cvat.login import Login, check_sdk

if TYPE_CHECKING:  # the server needs cvat-sdk, which may be missing
    from builder.imports.label_choice import LabelChoice
    from preannotate.cvat.server import Server

WORKSPACE = Path("workspace")
Parser = argparse.ArgumentParser


def positive(text: str) -> int:
    """Return a whole number from 1 on; the type of arguments that count something."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number of at least 1.")
    return number


def fraction(text: str) -> float:
    """Return a number in [0, 1]; the type of scores and overlaps."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:  # refuses NaN, too
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number from 0 to 1.")
    return number


def add_login(parser: Parser) -> None:
    """Where CVAT is and who logs in; named as in cvat-cli."""
    add = parser.add_argument_group("CVAT").add_argument
    add("--cvat", metavar="URL", help="address of CVAT (default: the profile's, else http://localhost)")
    add("--auth", metavar="USER", help="user name; the password is read from PASS or a prompt (default: the access "
        "token in CVAT_ACCESS_TOKEN)")  # fmt: skip
    add("--profile", metavar="NAME", help="use the server and login saved with `cvat-cli profile create`")
    add("--organization", "--org", metavar="SLUG", help="short name of an organization; '' is the personal workspace")
    add("--insecure", action="store_true", help="do not verify the TLS certificate of CVAT")


def login_of(arguments: argparse.Namespace) -> Login:
    """Return what the arguments of `add_login` say."""
    return Login(arguments.cvat, arguments.auth, arguments.profile, arguments.organization, insecure=arguments.insecure)


def add_sources(parser: Parser) -> None:
    """What annotated frames come from."""
    for name in ("task", "project", "job"):
        help_text = f"ID of a CVAT {name}; can be given several times"
        parser.add_argument(f"--{name}", type=int, action="append", default=[], metavar="ID", help=help_text)


def add_pull_rules(parser: Parser, *, default: bool | None = False) -> None:
    """Which annotated frames are used."""

    def add(name: str, help_text: str) -> None:
        parser.add_argument(name, action="store_true", default=default, help=help_text)

    add("--completed-jobs", "use only frames of completed jobs")
    add("--include-auto", "also use automatic annotations that nobody changed")
    add("--accept-completed", "treat automatic annotations of completed jobs as checked by people")


def add_function(parser: Parser) -> None:
    """The function that a command runs."""
    parser.add_argument("function", type=Path, metavar="FUNCTION", help="function directory, such as functions/NAME")


def add_workspace(parser: Parser) -> None:
    """The folder that keeps models."""
    parser.add_argument(
        "--workspace", type=Path, default=WORKSPACE, metavar="DIR", help=f"folder of models (default: {WORKSPACE})"
    )


def add_threshold(parser: Parser, default: str) -> None:
    """The score from which a detection counts."""
    parser.add_argument(
        "--threshold", type=fraction, metavar="T", help=f"minimum score, from 0 to 1 (default: {default})"
    )


def add_workers(parser: Parser, what: str = "number of processes (default: one for each core)") -> None:
    """How many processes run a function."""
    parser.add_argument("--workers", type=positive, metavar="N", help=what)


def add_overwrite(parser: Parser, what: str) -> None:
    """Permission to replace what exists."""
    parser.add_argument("--overwrite", action="store_true", help=f"replace {what}")


def add_json(parser: Parser) -> None:
    """Output for programs."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_notify(parser: Parser) -> None:
    """A message at the end."""
    parser.add_argument(
        "--notify", action="store_true", help="send a message at the end; `preannotate notify` shows to whom"
    )


def add_images_file(parser: Parser) -> None:
    """A selection of annotated images."""
    parser.add_argument("--images", type=Path, metavar="FILE", help="use only the images listed in FILE, one per line")


def add_negatives(parser: Parser) -> None:
    """What frames without annotations mean."""
    parser.add_argument(
        "--negatives", action="store_true", help="treat images without annotations as images without objects"
    )


def add_deploy_arguments(parser: Parser, *, default: str | None) -> None:
    """Arguments of deploy.sh, in one."""
    parser.add_argument("--deploy-arguments", metavar="ARGUMENTS", default=default, help="of deploy.sh, in quotes, for "
        "--deploy nuctl: 'gpu --wheels DIR --no-pull --port N -- NUCTL_FLAGS'")  # fmt: skip


def add_labels(parser: Parser) -> None:
    """A selection of labels."""
    parser.add_argument("--labels", metavar="A,B", help="learn only these labels (default: all that have a box); one "
        "with a comma in quotes: '\"nut, small\",bolt'")  # fmt: skip


def add_label_choice(parser: Parser) -> None:
    """Which labels of a ready network are answered, and under which names."""
    add = parser.add_argument
    add("--only", metavar="A,B", help="answer with these labels of the network alone (default: all)")
    add("--rename", metavar="OLD=NEW", action="append", default=[], help="name of a label in your task, as in "
        "person=worker; several with commas, or several times")  # fmt: skip


def label_choice_of(arguments: argparse.Namespace) -> "LabelChoice":
    """Return what `add_label_choice` says; a BuildError if it cannot be read."""
    from builder.imports.label_choice import LabelChoice

    return LabelChoice.parse(arguments.only, arguments.rename)


def labels_of(arguments: argparse.Namespace) -> tuple[str, ...] | None:
    """Return what `add_labels` says; None for all labels.

    Raises:
        UsageError: A quotation mark that is not closed.
    """
    try:
        return tuple(split_list(arguments.labels or "")) or None
    except ValueError as error:
        raise UsageError(
            f"--labels {arguments.labels}: {error}; expected labels with commas between them, such as "
            f"'bolt,\"nut, small\"'."
        ) from error


@contextlib.contextmanager
def cvat_server(arguments: argparse.Namespace) -> Iterator["Server"]:
    """Log in to CVAT for a command that continues where it was stopped.

    Raises:
        CvatError: cvat-sdk is not installed, or CVAT cannot be reached or rejects the login.
    """
    check_sdk(arguments.command)
    from preannotate.cvat.connection import connect

    server = connect(login_of(arguments))
    try:
        yield server
    except KeyboardInterrupt:
        print("stopped; the same command continues where it was", file=sys.stderr)
        raise
