"""Processes of runs: started, found again after a restart of whoever started them, stopped.

A queued run is a process group of its own, and outlives whoever started it. Its number alone does not identify it, for
numbers are used again: the time of its start is kept as well.

The head of the group is `python -m preannotate.jobs.processes FOLDER COMMAND …` (`supervise`), which runs the command
at low priority. FOLDER/process.json has the numbers of both processes from the beginning, FOLDER/end.json the exit code
at the end; negative is the signal that killed the command. Both hold a lock in the folder, which other containers see
as well. The head is small on purpose, so nothing heavy is imported here: when memory runs out, the system ends the
large process.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from preannotate.core.child_process import ChildProcess
from preannotate.core.errors import FileError, LockedError
from preannotate.core.files import read_json, write_json
from preannotate.core.locks import file_lock, is_locked

PROCESS_FILE, END_FILE, _LOCK = "process.json", "end.json", ".process.lock"
# So that the web interface, and whoever else uses the machine, stays responsive while a network is trained.
NICENESS = 10
COULD_NOT_START = 127
_MODULE = "preannotate.jobs.processes"
# Both come from the same clock; the database keeps a float.
_SAME_TIME_SECONDS = 0.05


@dataclass(frozen=True)
class RunProcess:
    """A process, identified for good.

    Attributes:
        pid: Its number; for a queued run also that of its group.
        started: Seconds since 1970, as psutil gives them; 0 if it had ended before.
    """

    pid: int
    started: float

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._find() is not None

    def _find(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _SAME_TIME_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to its group if it leads one, else to it alone; SIGKILL also to descendants that left it."""
        head = self._find()
        victims = head.children(recursive=True) if head is not None and number == signal.SIGKILL else []
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, or only zombies are left
            if _leads_group(self.pid):
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        for victim in victims:
            with contextlib.suppress(psutil.Error):
                victim.send_signal(number)


def this_process() -> RunProcess:
    """Return this process."""
    return RunProcess(os.getpid(), psutil.Process().create_time())


def launch(folder: Path, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> RunProcess:
    """Start a command that outlives this process; raises OSError if it cannot be started.

    Args:
        folder: Working directory; `supervise` writes its files there.
        command: Without secrets: other users of the machine can read it.
        log: Its output is appended.
        environment: The whole environment of the command.
    """
    with log.open("ab") as output:
        child = ChildProcess(
            [sys.executable, "-P", "-m", _MODULE, str(folder), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
        )
    _children.append(child)
    try:
        return RunProcess(child.pid, psutil.Process(child.pid).create_time())
    except psutil.Error:  # it has ended already
        return RunProcess(child.pid, 0.0)


def supervise(folder: Path, command: Sequence[str]) -> None:
    """Run a command to its end, as the head of its process group."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The command gets them as well; SIG_IGN would be inherited by it.
        signal.signal(number, lambda number, frame: None)
    try:
        busy = f"{folder}: this run is running already; expected no other process."
        # Whoever asks whether it is held holds it for a moment.
        with file_lock(folder / _LOCK, busy, wait_seconds=1.0) as lock:
            _run_locked(folder, command, lock)
    except LockedError as error:
        print(f"error: {error}", flush=True)


def _run_locked(folder: Path, command: Sequence[str], lock: int) -> None:
    try:
        child = ChildProcess(command, own_session=False, pass_fds=(lock,), stdout=None, stderr=None)
    except OSError as error:
        print(f"error: {command[0]}: {error.strerror}; expected a program. Install it again.", flush=True)
        write_json(folder / END_FILE, {"code": COULD_NOT_START})
        return
    write_json(folder / PROCESS_FILE, {"supervisor": os.getpid(), "process": child.pid})
    write_json(folder / END_FILE, {"code": child.result().code})


# Children of this process; those that have ended stay in the system's list until they are waited for.
_children: list[ChildProcess] = []


def forget(folder: Path) -> None:
    """Remove what an earlier attempt left: how it ended, and its processes."""
    for leftover in (PROCESS_FILE, END_FILE):
        (folder / leftover).unlink(missing_ok=True)


def find_process(folder: Path) -> RunProcess | None:
    """Return the head of the run in a folder, even before it has written its files; None if there is none."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if _MODULE in command and str(folder) in command:
                return RunProcess(process.pid, process.create_time())
    return None


def is_alive(folder: Path, process: RunProcess) -> bool:
    """Return whether a run still has processes: its head, or the command if somebody killed only the head."""
    _children[:] = [child for child in _children if child.alive]
    if process.alive:
        return True
    pid = _number(folder / PROCESS_FILE, "process")
    try:
        return pid is not None and exit_code(folder) is None and os.getpgid(pid) == process.pid
    except ProcessLookupError:
        return False


def is_held(folder: Path) -> bool:
    """Return whether a run has processes on any machine or container that shares the folder's file system."""
    return is_locked(folder / _LOCK)


def has_begun(folder: Path) -> bool:
    """Return whether the command of the latest attempt was started, however that ended."""
    return (folder / PROCESS_FILE).exists() or (folder / END_FILE).exists()


def exit_code(folder: Path) -> int | None:
    """Return how the command ended; None if nobody could record it."""
    return _number(folder / END_FILE, "code")


def _leads_group(pid: int) -> bool:
    """Whether signals go to a group: not for a run by hand, whose group may be that of a shell's pipeline."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:  # the head is gone, its group perhaps not
        return True


def _number(path: Path, name: str) -> int | None:
    try:
        content = read_json(path)
    except FileError:
        return None
    value = content.get(name) if isinstance(content, dict) else None
    return value if isinstance(value, int) else None


if __name__ == "__main__":
    supervise(Path(sys.argv[1]), sys.argv[2:])
