"""Where the token comes from that callers have to know: a file, the environment, or the command line.

The command line can be read by every user of the machine, so it is the last to recommend.
"""

import os
from pathlib import Path

from preannotate.core import secrets
from preannotate.serving.errors import ServeError

VARIABLE = "PREANNOTATE_TOKEN"
_TOKEN = secrets.token(VARIABLE, ServeError)


def find_token(token: str | None, file: Path | None) -> str | None:
    """The token from the command line, else from a file, else from the environment; None where there is none.

    Raises:
        ServeError: Two are given, the file cannot be read, or the token is not one.
    """
    if token is not None and file is not None:
        raise ServeError("--token, --token-file: both are given; expected one. Leave out --token.")
    if token is not None:
        os.environ.pop(VARIABLE, None)
        return _TOKEN.checked(token, "--token")
    return _TOKEN.find(file) or None
