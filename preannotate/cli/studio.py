"""`preannotate studio`."""

import argparse
from pathlib import Path

from preannotate.cli.arguments import add_workspace
from preannotate.cli.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_workspace(parser)
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1); any other needs a token")
    add("--port", type=int, default=8095, help="port to listen on (default: 8095; 0: any free port)")
    add("--token-file", type=Path, metavar="FILE", help="file with the login token (or PREANNOTATE_STUDIO_TOKEN)")
    add("--keep-token", action="store_true", help="make a login token at the first start and keep it in the workspace")
    add("--print-login", action="store_true", help="print the address that logs in with the token of --keep-token")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="further host name that browsers may use, such as a proxy's; can be given several times",
    )
    add("--no-browser", action="store_true", help="do not open a browser")


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.studio.web.command import print_login, serve_studio

    if arguments.print_login:
        return print_login(arguments.workspace, arguments.port)
    return serve_studio(
        arguments.workspace,
        arguments.host,
        arguments.port,
        token_file=arguments.token_file,
        keep_token=arguments.keep_token,
        allowed=arguments.allow_host,
        browser=not arguments.no_browser,
    )


COMMAND = Command("studio", "start the web interface", _add_arguments, _run)
