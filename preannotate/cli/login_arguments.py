"""Where CVAT is and who logs in, on the command line; called as in cvat-cli."""

import argparse
from typing import Any


def add_login_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of every command that speaks with CVAT."""
    add = parser.add_argument
    add("--cvat", metavar="URL", help="default: the profile's; without one, http://localhost")
    add("--auth", metavar="USER", help="user; the password comes from PASS or a prompt (default: CVAT_ACCESS_TOKEN)")
    add("--profile", metavar="NAME", help="server and access token saved by `cvat-cli profile create`")
    add("--organization", "--org", metavar="SLUG", help="short name; '' is the personal workspace")
    add("--insecure", action="store_true", help="accept any TLS certificate")


def login_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What they say, as `login.Login` takes it."""
    return {
        "url": arguments.cvat,
        "user": arguments.auth,
        "profile": arguments.profile,
        "organization": arguments.organization,
        "insecure": arguments.insecure,
    }
