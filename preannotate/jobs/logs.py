"""The end of a run's log: bounded, in lines, without what a terminal would do."""

import re
from pathlib import Path

from preannotate.core import child_process

TAIL_BYTES = 32_768
# Before each attempt of a run; an error of an earlier attempt is not the reason of this one's end.
ATTEMPT = "=== "
# Colours and cursor movements, and other control characters except tabs and line ends.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def tail(path: Path, max_bytes: int = TAIL_BYTES) -> str:
    """Return the last whole lines of a file; "" if it does not exist."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - max_bytes))
            content = file.read(max_bytes)
    except OSError:
        return ""
    if size > max_bytes:
        content = content.partition(b"\n")[2]
    lines = content.decode("utf-8", "replace").split("\n")
    return _ESCAPES.sub("", "\n".join(_overwritten(line) for line in lines))


def last_error(path: Path) -> str:
    """Return the sentence of the last `error: …` of the latest attempt; "" if there is none."""
    return child_process.last_error(_attempt(path))


def last_line(path: Path) -> str:
    """Return the last line of the latest attempt that is not empty, shortened."""
    found = [line.strip() for line in _attempt(path) if line.strip()]
    return found[-1][:300] if found else ""


def _attempt(path: Path) -> list[str]:
    lines = tail(path).splitlines()
    begins = [number for number, line in enumerate(lines) if line.startswith(ATTEMPT)]
    return lines[begins[-1] + 1 :] if begins else lines


def _overwritten(line: str) -> str:
    """What a terminal shows of a line that a progress bar has overwritten again and again."""
    return line.rstrip("\r").rpartition("\r")[2]
