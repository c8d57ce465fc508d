"""Processes of runs: started, found again after a restart of the studio, stopped.

A run is a process group of its own with an `overseer` at its head. Its number alone does not say that it is still the
same one, so the moment of its beginning is kept beside it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from preannotate.jobs.run_supervisor import END, PROCESS

# Both come from the same clock; the studio writes them down as a float.
_SAME_MOMENT = 0.05


@dataclass(frozen=True)
class RunProcess:
    """The head of a group.

    Attributes:
        process: Number of the overseer, and of its group.
        began: When, as psutil says it.
    """

    process: int
    began: float


def launch(folder: Path, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> RunProcess:
    """Start a command that outlives this process.

    Args:
        folder: Working directory, for the overseer's files.
        command: Without secrets: other users can read it.
        log: Gets what it says, behind what is there.
        environment: All of it.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "preannotate.jobs.run_supervisor", str(folder), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )
    _children.append(process)
    try:
        began = psutil.Process(process.pid).create_time()
    except psutil.Error:  # over already
        began = 0.0
    return RunProcess(process.pid, began)


# Those of this process, so that they can be waited for: what nobody waits for stays in the system's list.
_children: list[subprocess.Popen] = []


def forget(folder: Path) -> None:
    """Remove what an earlier attempt left: how it ended, and its processes."""
    for leftover in (PROCESS, END):
        (folder / leftover).unlink(missing_ok=True)


def find(folder: Path) -> RunProcess | None:
    """What runs in a folder; None if nothing does."""
    number = (_read(folder / PROCESS) or {}).get("overseer", 0)
    try:
        process = psutil.Process(number)
        if str(folder) in process.cmdline():
            return RunProcess(number, process.create_time())
    except psutil.Error:
        pass
    return None


def is_alive(folder: Path, overseen: RunProcess) -> bool:
    """Whether a run still has processes: the overseer, or the command if somebody killed only the overseer."""
    _children[:] = [child for child in _children if child.poll() is None]
    if _found(overseen) is not None:
        return True
    number = command_process(folder)
    try:
        return bool(number) and exit_code(folder) is None and os.getpgid(number) == overseen.process
    except ProcessLookupError:
        return False


def exit_code(folder: Path) -> int | None:
    """How the command ended; None if nobody could write it down."""
    content = _read(folder / END)
    return content.get("code") if content else None


def command_process(folder: Path) -> int:
    """Number of the command's own process, now or before; 0 before it started."""
    content = _read(folder / PROCESS)
    return content.get("process", 0) if content else 0


def interrupt(overseen: RunProcess, number: signal.Signals) -> None:
    """Send a signal to the group of a run that `is_alive`; SIGKILL also to descendants that left it."""
    head = _found(overseen)
    victims = head.children(recursive=True) if head is not None and number == signal.SIGKILL else []
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or a zombie's group
        os.killpg(overseen.process, number)
    for victim in victims:
        with contextlib.suppress(psutil.Error):
            victim.send_signal(number)


def _found(overseen: RunProcess) -> psutil.Process | None:
    try:
        process = psutil.Process(overseen.process)
        same = abs(process.create_time() - overseen.began) < _SAME_MOMENT
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def _read(path: Path) -> dict[str, int] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
