"""What became of a run: from an exit code and the last lines of its log to a state and a sentence."""

import signal
from dataclasses import dataclass

from preannotate.core.child_process import CHECK_FAILED, INTERRUPTED, exit_reason
from preannotate.core.progress import State
from preannotate.jobs.logs import last_error, last_line
from preannotate.jobs.queue import LOG, Run, RunSource
from preannotate.jobs.task_request import RunKind
from preannotate.registry.workspace import Workspace

_RESUME = "Resume it: it continues where it was."


@dataclass(frozen=True)
class RunEnd:
    """How a run ended; `error` as in `Run`."""

    state: State
    error: str = ""


def explain_end(run: Run, code: int | None, workspace: Workspace) -> RunEnd:
    """Return what became of a run.

    Args:
        run: With its log.
        code: Exit code; negative is a signal; None if nobody could record it.
        workspace: With its version.
    """
    if code == 0:
        return RunEnd(State.DONE)
    if run.stopping:
        return RunEnd(State.STOPPED)
    if code is None:
        again = "Run the same command again." if run.source == RunSource.COMMAND_LINE else _RESUME
        return RunEnd(
            State.FAILED,
            f"run {run.id}: its processes ended without an exit code: the machine restarted, or they were killed; "
            f"expected an exit code. {again}",
        )
    if code in (INTERRUPTED, -signal.SIGINT, -signal.SIGTERM):
        return RunEnd(State.STOPPED, f"run {run.id}: was interrupted from outside. {_RESUME}")
    if code == -signal.SIGKILL:
        return RunEnd(
            State.FAILED,
            f"run {run.id}: {exit_reason(code)}; expected exit code 0. Choose a smaller batch_size or image_size, or "
            f"stop other programs, and resume it.",
        )
    if code < 0:
        return RunEnd(
            State.FAILED,
            f"run {run.id}: crashed, {exit_reason(code)}; expected exit code 0. Its log shows its last step. {_RESUME}",
        )
    error = last_error(run.folder / LOG)
    if code == CHECK_FAILED and run.kind == RunKind.TRAIN and run.version and _is_complete(run, run.version, workspace):
        return RunEnd(State.DONE, error or f"version {run.version} is finished, and was not published.")
    if error:
        return RunEnd(State.FAILED, error)
    last = last_line(run.folder / LOG) or "no output"
    return RunEnd(
        State.FAILED, f"run {run.id}: exit code {code} ({last}); expected 0. Its log shows what it did. {_RESUME}"
    )


def _is_complete(run: Run, number: int, workspace: Workspace) -> bool:
    return workspace.model(run.model_name).version(number).complete
