"""The command `studio`: its arguments, and who does it."""

import argparse
from pathlib import Path

from preannotate.cli.command import Commands


def add_studio_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `studio`."""
    add = parser.add_argument
    add("--workspace", type=Path, default=Path("workspace"), metavar="DIR", help="of models (default: workspace)")
    add("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only; beyond it a token is needed")
    add("--port", type=int, default=8095, help="default: 8095; 0 takes a free one")
    add("--token-file", type=Path, metavar="FILE", help="ask for the token in FILE (or in PREANNOTATE_STUDIO_TOKEN)")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name by which the studio is called, such as a proxy's; may be given several times",
    )
    add("--no-browser", action="store_true", help="open no browser")


def run_studio(arguments: argparse.Namespace) -> int:
    """Serve the studio until stopped; returns the exit code."""
    from preannotate.studio.web.command import serve_studio

    return serve_studio(
        arguments.workspace,
        arguments.host,
        arguments.port,
        token_file=arguments.token_file,
        allowed=arguments.allow_host,
        browser=not arguments.no_browser,
    )


COMMANDS: Commands = {
    "studio": ("a page on which models are made with a few clicks", add_studio_arguments, run_studio),
}
