"""`preannotate serve`."""

import argparse
from pathlib import Path

from preannotate.cli.arguments import add_workers
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("functions", type=Path, metavar="FUNCTIONS", help="folder of function directories; changes are noticed")
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)")
    add("--port", type=int, default=8070, help="port to listen on (default: 8070, where CVAT expects nuclio)")
    add_workers(parser, "processes for each function (default: as in its function.yaml)")
    add("--gpus", metavar="LIST", help="serve the GPU variants, one worker for each GPU in LIST, such as 0,1")
    add("--token-file", type=Path, metavar="FILE", help="file with the token that callers need (or PREANNOTATE_TOKEN)")
    add("--token", help="the token itself; every user of this machine can read it in the process list")


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.serving.command import run_server

    return run_server(
        arguments.functions,
        arguments.host,
        arguments.port,
        arguments.workers,
        gpus=arguments.gpus,
        token=arguments.token,
        token_file=arguments.token_file,
    )


COMMAND = Command("serve", "serve functions to CVAT without Docker or nuclio", _add_arguments, _run)
