"""The command `serve`: its arguments, and who does it."""

import argparse
from pathlib import Path

from preannotate.cli.command import Commands


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `serve`."""
    add = parser.add_argument
    add(
        "functions",
        type=Path,
        metavar="FUNCTIONS",
        help="folder of function directories, watched for changes",
    )
    add("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only")
    add("--port", type=int, default=8070, help="default: 8070, where CVAT looks for nuclio")
    add("--workers", type=int, help="processes for each function (default: as in its function.yaml)")
    add("--gpus", metavar="LIST", help="serve the GPU variants, with one worker for each GPU of LIST, as in 0,1")
    add("--token-file", type=Path, metavar="FILE", help="ask callers for the token in FILE (or in PREANNOTATE_TOKEN)")
    add("--token", help="the same on the command line, where every user of this machine can read it")


def run_serve(arguments: argparse.Namespace) -> int:
    """Serve functions until stopped; returns the exit code."""
    from preannotate.serving.command import run

    return run(
        arguments.functions,
        arguments.host,
        arguments.port,
        arguments.workers,
        gpus=arguments.gpus,
        token=arguments.token,
        token_file=arguments.token_file,
    )


COMMANDS: Commands = {
    "serve": ("serve functions to CVAT, without Docker or nuclio", add_serve_arguments, run_serve),
}
