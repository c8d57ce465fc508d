"""Where the token comes from that callers have to know: a file, the environment, or the command line.

The command line can be read by every user of the machine, so it is the last to recommend. No message shows what was
found in these places.
"""

import os
import re
from pathlib import Path

from preannotate.serve.errors import ServeError

VARIABLE = "PREANNOTATE_TOKEN"
# What .netrc files, addresses and headers can all hold.
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,512}")


def find_token(token: str | None, file: Path | None) -> str | None:
    """The token from the command line, else from a file, else from the environment; None where there is none.

    The variable is taken out of the environment, so that no other process inherits it.

    Raises:
        ServeError: Two are given, the file cannot be read, or the token is not one.
    """
    from_environment = os.environ.pop(VARIABLE, "")
    if token is not None and file is not None:
        raise ServeError("--token, --token-file: both are given; expected one. Leave out --token.")
    if token is not None:
        return _checked(token, "--token")
    if file is not None:
        try:
            return _checked(file.read_text(encoding="utf-8").strip(), f"--token-file: {file}")
        except OSError as error:
            raise ServeError(
                f"--token-file: {file}: {error.strerror}; expected a file that holds the token. Look at its rights."
            ) from error
        except UnicodeDecodeError as error:
            raise ServeError(f"--token-file: {file}: not text; expected the token. Write it again.") from error
    return _checked(from_environment, VARIABLE) if from_environment else None


def _checked(token: str, where: str) -> str:
    if not _TOKEN.fullmatch(token):
        # What was found is not shown: it may be the secret with a slip in it.
        raise ServeError(
            f"{where}: {len(token)} characters; expected 16 to 512 of A-Z, a-z, 0-9, '.', '_', '~' and '-'. "
            f"Make one with `python3 -c 'import secrets; print(secrets.token_urlsafe())'`."
        )
    return token
