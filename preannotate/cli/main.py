"""The command line of Preannotate: the table of its commands. What a command needs is imported when it runs."""

import argparse
from collections.abc import Sequence

from preannotate.cli import (
    active_learning,
    annotate,
    build,
    catalogue,
    demo,
    doctor,
    evaluate,
    get,
    import_model,
    inspect,
    notify,
    publish,
    pull,
    report,
    run,
    serve,
    studio,
    train,
    watch,
)
from preannotate.cli.command import Command, execute, make_parser

# In the order of `--help`.
COMMANDS: tuple[Command, ...] = (
    pull.COMMAND,
    run.COMMAND,
    *publish.COMMANDS,
    watch.COMMAND,
    studio.COMMAND,
    inspect.COMMAND,
    *train.COMMANDS,
    catalogue.COMMAND,
    get.COMMAND,
    import_model.COMMAND,
    evaluate.COMMAND,
    report.COMMAND,
    *build.COMMANDS,
    serve.COMMAND,
    annotate.COMMAND,
    *active_learning.COMMANDS,
    doctor.COMMAND,
    notify.COMMAND,
    *demo.COMMANDS,
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    return make_parser(COMMANDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `preannotate`; returns the exit code (see `command`)."""
    return execute(parser(), arguments)
