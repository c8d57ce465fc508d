"""The CVAT server that a command works with."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from preannotate.cli.arguments import login_of
from preannotate.cvat.login import check_sdk

if TYPE_CHECKING:  # it needs cvat-sdk, which may be missing
    from preannotate.cvat.server import Server


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
