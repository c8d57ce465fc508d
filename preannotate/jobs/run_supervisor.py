"""Heads the process group of a run and records how the run ended, whatever becomes of the program that started it.

`python -m preannotate.jobs.run_supervisor FOLDER COMMAND …` runs the command at low priority. FOLDER/process.json has
the numbers of both processes from the beginning, FOLDER/end.json the exit code at the end; negative is the signal that
killed the command. It is small on purpose: when memory runs out, the system ends the large process.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preannotate.core.child_process import ChildProcess
from preannotate.core.files import write_json

PROCESS_FILE, END_FILE = "process.json", "end.json"
# So that the web interface, and whoever else uses the machine, stays responsive while a network is trained.
NICENESS = 10
COULD_NOT_START = 127


def supervise(folder: Path, command: Sequence[str]) -> None:
    """Run a command to its end."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _pass)  # they reach the whole group; SIG_IGN would be inherited by the command
    try:
        child = ChildProcess(command, own_session=False, stdout=None, stderr=None)
    except OSError as error:
        print(f"error: {command[0]}: {error.strerror}; expected a program. Install it again.", flush=True)
        write_json(folder / END_FILE, {"code": COULD_NOT_START})
        return
    write_json(folder / PROCESS_FILE, {"supervisor": os.getpid(), "process": child.pid})
    code = child.result().code
    write_json(folder / END_FILE, {"code": code})


def _pass(number: int, frame: Any) -> None:
    """Do nothing: the command got the signal as well."""


if __name__ == "__main__":
    supervise(Path(sys.argv[1]), sys.argv[2:])
