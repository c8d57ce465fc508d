"""Stands over the process of a run and writes down how it ended, whatever becomes of the studio.

`python -m preannotate.jobs.run_supervisor FOLDER COMMAND …` runs the command at low priority. FOLDER/process.json says
both processes from the beginning on, and FOLDER/end.json the exit code at the end: negative is the signal that killed
it. It is small on purpose: when memory runs out, the system takes the large process.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROCESS, END = "process.json", "end.json"
# So that the page, and whoever else uses the machine, answers at once while a network is trained.
NICENESS = 10
COULD_NOT_START = 127


def oversee(folder: Path, command: Sequence[str]) -> int:
    """Run a command to its end; returns its exit code."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _pass)  # they reach the whole group; ignored ones would be ignored by the command, too
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"error: {command[0]}: {error.strerror}; expected a program. Install it again.", flush=True)
        _write(folder / END, {"code": COULD_NOT_START})
        return COULD_NOT_START
    _write(folder / PROCESS, {"overseer": os.getpid(), "process": process.pid})
    code = process.wait()
    _write(folder / END, {"code": code})
    return code


def _pass(number: int, frame: Any) -> None:
    """Nothing: the command got it as well."""


def _write(path: Path, content: dict[str, int]) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    oversee(Path(sys.argv[1]), sys.argv[2:])
