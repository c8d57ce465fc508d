"""The end of a run's log: bounded, in lines, without what a terminal would do."""

import re
from pathlib import Path

TAIL_BYTES = 32_768
# Before each attempt of a run; what an earlier one said is no reason of this one.
ATTEMPT = "=== "
_ERROR = "error: "
# Colours and cursor movements, and other control characters except tabs and line ends.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def tail(path: Path, most: int = TAIL_BYTES) -> str:
    """The last lines of a file, whole ones; "" if it is not there."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - most))
            content = file.read(most)
    except OSError:
        return ""
    if size > most:
        content = content.partition(b"\n")[2]
    lines = content.decode("utf-8", "replace").split("\n")
    return _ESCAPES.sub("", "\n".join(_overwritten(line) for line in lines))


def last_error(path: Path) -> str:
    """The sentence of the last `error: …` of the latest attempt; "" if there is none."""
    found = [line for line in _attempt(path) if line.startswith(_ERROR)]
    return found[-1].removeprefix(_ERROR) if found else ""


def last_line(path: Path) -> str:
    """The last line of the latest attempt that says something, shortened."""
    found = [line.strip() for line in _attempt(path) if line.strip()]
    return found[-1][:300] if found else ""


def _attempt(path: Path) -> list[str]:
    lines = tail(path).splitlines()
    begins = [number for number, line in enumerate(lines) if line.startswith(ATTEMPT)]
    return lines[begins[-1] + 1 :] if begins else lines


def _overwritten(line: str) -> str:
    """What a terminal shows of a line in which a progress bar went back to its beginning again and again."""
    return line.rstrip("\r").rpartition("\r")[2]
