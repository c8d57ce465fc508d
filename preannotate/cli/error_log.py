"""Tracebacks of unexpected errors, kept for a bug report: one file each, the newest `KEPT` of them.

They lie in `$XDG_STATE_HOME/preannotate`, else `~/.local/state/preannotate`, and only their owner can read them. Of the
command line they hold the command's name alone, for an argument may be a token.
"""

import contextlib
import datetime
import os
import platform
from pathlib import Path

from preannotate.core.files import replace_text

KEPT = 20
LONGEST = 100_000


def folder() -> Path:
    """Return the folder of this user's error logs; it need not exist."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (state if state.is_absolute() else Path.home() / ".local" / "state") / "preannotate"


def write(command: str, report: str) -> str:
    """Keep a traceback and remove the oldest ones.

    Args:
        command: Name of the command that failed.
        report: The traceback; its middle is left out if it is longer than `LONGEST` characters.

    Returns:
        A sentence that says where it is; the traceback itself where it cannot be written.
    """
    if len(report) > LONGEST:
        report = f"{report[: LONGEST // 2]}\n…\n{report[-LONGEST // 2 :]}"
    now = datetime.datetime.now()
    try:
        path = folder() / f"error-{now:%Y%m%d-%H%M%S}-{os.getpid()}.log"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        header = f"preannotate {command}, {now:%Y-%m-%d %H:%M:%S}, Python {platform.python_version()}"
        replace_text(path, f"{header}, {platform.platform()}\n\n{report}", mode=0o600)
        for old in sorted(path.parent.glob("error-*.log"))[:-KEPT]:
            with contextlib.suppress(FileNotFoundError):
                old.unlink()
    except (OSError, RuntimeError) as error:  # a full disk, or a user without a home
        return f"The traceback could not be written ({error}):\n{report.rstrip()}"
    return f"The traceback is in {path}; please report it with that file, or run the command again with --debug."
