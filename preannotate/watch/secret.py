"""The secret of CVAT's webhooks: from a file or the environment, and never shown."""

import os
import re
from pathlib import Path

from preannotate.watch.errors import WatchError

VARIABLE = "PREANNOTATE_CVAT_WEBHOOK_SECRET"
# CVAT takes no longer one.
_SECRET = re.compile(r"[!-~]{16,64}")


def find_secret(file: Path | None) -> str:
    """The secret; "" where there is none. The variable is taken out of the environment: no child inherits it.

    Raises:
        WatchError: The file cannot be read, or holds none.
    """
    from_environment = os.environ.pop(VARIABLE, "")
    if file is None:
        return _checked(from_environment, VARIABLE) if from_environment else ""
    try:
        return _checked(file.read_text(encoding="utf-8").strip(), f"--secret-file: {file}")
    except OSError as error:
        raise WatchError(
            f"--secret-file: {file}: {error.strerror}; expected a file that holds the secret. Look at its rights."
        ) from error
    except UnicodeDecodeError as error:
        raise WatchError(f"--secret-file: {file}: not text; expected the secret. Write it again.") from error


def _checked(secret: str, where: str) -> str:
    if not _SECRET.fullmatch(secret):
        raise WatchError(
            f"{where}: {len(secret)} characters; expected 16 to 64 letters, digits and signs without spaces. "
            f"Make one with `python3 -c 'import secrets; print(secrets.token_urlsafe())'`."
        )
    return secret
