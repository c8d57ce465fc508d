"""What became of a run: from an exit code and the last lines of its log to a state and a sentence."""

import signal
from dataclasses import dataclass

from preannotate.jobs.logs import last_error, last_line
from preannotate.jobs.queue import DONE, FAILED, LOG, STOPPED, TRAIN, Run
from preannotate.pipeline.progress import Progress
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import Workspace

CHECK_FAILED, INTERRUPTED = 1, 130
_RESUME = "Resume it: it goes on where it was."


@dataclass(frozen=True)
class RunEnd:
    """How a run ended; `error` as in `Run`."""

    state: str
    error: str = ""


def explain_end(run: Run, code: int | None, workspace: Workspace, *, asked_to_stop: bool) -> RunEnd:
    """What became of a run.

    Args:
        run: With its log.
        code: Exit code; negative is a signal; None if nobody could write it down.
        workspace: Where its version is.
        asked_to_stop: Whether somebody did, in the studio.
    """
    if code == 0:
        return RunEnd(DONE)
    if asked_to_stop:
        return RunEnd(STOPPED)
    if code is None:
        return RunEnd(
            FAILED,
            f"run {run.id}: all its processes are gone, and none could say why: the machine restarted, or somebody "
            f"killed them; expected an exit code. {_RESUME}",
        )
    if code in (INTERRUPTED, -signal.SIGINT, -signal.SIGTERM):
        return RunEnd(STOPPED, f"run {run.id}: was stopped from outside the studio. {_RESUME}")
    if code < 0:
        return RunEnd(FAILED, _killed(run, -code))
    said = last_error(run.folder / LOG)
    if code == CHECK_FAILED and run.kind == TRAIN and run.version and _is_complete(run, workspace):
        return RunEnd(DONE, said or f"version {run.version} is finished, and was not published.")
    if said:
        return RunEnd(FAILED, said)
    last = last_line(run.folder / LOG) or "without a word"
    return RunEnd(FAILED, f"run {run.id}: exit code {code} ({last}); expected 0. Its log says what it did. {_RESUME}")


def own_progress(run: Run, process: int) -> Progress | None:
    """What the run's own process says of its stages; None if the file is of another run, or damaged."""
    try:
        progress = Progress.read(run.model_folder / "progress.json")
    except (WorkspaceError, KeyError, TypeError, OSError):
        return None
    return progress if progress is not None and process and progress.process == process else None


def _killed(run: Run, number: int) -> str:
    name = signal.Signals(number).name if number in {one.value for one in signal.Signals} else f"signal {number}"
    if number == signal.SIGKILL:
        return (
            f"run {run.id}: the system ended it ({name}), most likely for lack of memory; expected it to end by "
            f"itself. Choose a smaller batch_size or image_size, or stop other programs, and resume it."
        )
    return f"run {run.id}: it crashed ({name}); expected it to end by itself. Its log says what it did last. {_RESUME}"


def _is_complete(run: Run, workspace: Workspace) -> bool:
    return workspace.model(run.model_name).version(run.version).complete
