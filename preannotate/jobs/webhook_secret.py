"""The secret of CVAT's webhooks."""

from pathlib import Path

from preannotate.core.secrets import SharedSecret
from preannotate.jobs.errors import WatchError

VARIABLE = "PREANNOTATE_CVAT_WEBHOOK_SECRET"
# CVAT takes no longer one.
_LETTERS = "16 to 64 letters, digits and signs without spaces"
_SECRET = SharedSecret("secret", "--secret-file", VARIABLE, r"[!-~]{16,64}", _LETTERS, WatchError)


def find_secret(file: Path | None) -> str:
    """The secret from a file, else from the environment; "" where there is none.

    Raises:
        WatchError: The file cannot be read, or holds none.
    """
    return _SECRET.find(file)
