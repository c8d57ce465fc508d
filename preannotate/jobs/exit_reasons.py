"""Why a run ended: from its exit code and the end of its log to a state and a sentence."""

import signal
from dataclasses import dataclass
from pathlib import Path

from preannotate.core import child_process
from preannotate.core.child_process import CHECK_FAILED, INTERRUPTED, exit_reason
from preannotate.core.progress import State
from preannotate.core.text import without_escapes
from preannotate.jobs.queue import LOG, Run, RunSource
from preannotate.jobs.task_request import RunKind
from preannotate.registry.workspace import Workspace

TAIL_BYTES = 32_768
# Before each attempt of a run; an error of an earlier attempt is not the reason of this one's end.
ATTEMPT = "=== "
_RESUME = "Resume it: it continues where it was."


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
    # What a terminal shows of a line that a progress bar has overwritten again and again.
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in content.decode("utf-8", "replace").split("\n"))
    return without_escapes("\n".join(lines))


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


@dataclass(frozen=True)
class RunEnd:
    """How a run ended; `error` as in `Run`."""

    state: State
    error: str = ""


def explain_end(run: Run, code: int | None, workspace: Workspace) -> RunEnd:
    """Return what became of a run; `code` is negative for a signal, None if nobody could record it."""
    if code == 0:
        return RunEnd(State.DONE)
    if run.stopping:
        return RunEnd(State.STOPPED)
    if code in (INTERRUPTED, -signal.SIGINT, -signal.SIGTERM):
        return RunEnd(State.STOPPED, f"run {run.id}: was interrupted from outside. {_RESUME}")
    if code is None:
        again = "Run the same command again." if run.source == RunSource.COMMAND_LINE else _RESUME
        problem = (
            "its processes ended without an exit code: the machine restarted, or they were killed; expected an exit "
            f"code. {again}"
        )
    elif code == -signal.SIGKILL:
        problem = (
            f"{exit_reason(code)}; expected exit code 0. Choose a smaller batch_size or image_size, or stop other "
            f"programs, and resume it."
        )
    elif code < 0:
        problem = f"crashed, {exit_reason(code)}; expected exit code 0. Its log shows its last step. {_RESUME}"
    else:
        error = last_error(run.folder / LOG)
        if code == CHECK_FAILED and _has_version(run, workspace):
            return RunEnd(State.DONE, error or f"version {run.version} is finished, and was not published.")
        if error:
            return RunEnd(State.FAILED, error)
        last = last_line(run.folder / LOG) or "no output"
        problem = f"exit code {code} ({last}); expected 0. Its log shows what it did. {_RESUME}"
    return RunEnd(State.FAILED, f"run {run.id}: {problem}")


def _has_version(run: Run, workspace: Workspace) -> bool:
    """Whether a training has finished its version."""
    if run.kind != RunKind.TRAIN or run.version is None:
        return False
    return workspace.model(run.model_name).version(run.version).complete
