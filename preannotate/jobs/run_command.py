"""`preannotate run`: registers itself among the runs of the workspace, runs the pipeline, and says how it ended."""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from preannotate.core.child_process import CHECK_FAILED, INTERRUPTED, CheckFailedError, sigterm_interrupts
from preannotate.core.progress import ProgressWriter, State
from preannotate.core.secrets import redacted
from preannotate.core.text import format_scores, printable
from preannotate.cvat.login import check_sdk
from preannotate.jobs.database import Database
from preannotate.jobs.processes import this_process
from preannotate.jobs.queue import LOG, PROGRESS, Run, RunQueue, RunSource
from preannotate.jobs.run_messages import models_page, run_message
from preannotate.jobs.supervisor import RUN_VARIABLE, Supervisor
from preannotate.notifications.delivery import deliver_and_report
from preannotate.notifications.message import failure_message
from preannotate.notifications.settings import NotifySettings
from preannotate.pipeline.errors import PipelineError
from preannotate.pipeline.kubernetes import KubernetesCluster
from preannotate.pipeline.run_request import RunRequest, read_run_request, to_keep, write_run_request
from preannotate.registry.workspace import Workspace

if TYPE_CHECKING:
    from preannotate.pipeline.run import Pipeline

COULD_NOT_RUN = 2
_LONGEST_LINE = 4000


def run(folder: Path, request: RunRequest, *, repeats: bool, notify: bool) -> int:
    """Run the pipeline in a workspace; return the exit code, 1 if a check failed or the version was not published.

    `repeats` means that the command line named a model only, and the rest is that of its last run.

    Raises:
        NotifyError: There is nobody to send it to.
        PreannotateError: The request is impossible, or a stage failed.
    """
    settings = NotifySettings.from_environment() if notify else None
    workspace = Workspace(folder)
    entry: _RunEntry | None = None
    try:
        request = _checked(request, workspace)
        with sigterm_interrupts(), _registered(workspace, request, repeats=repeats) as (entry, pipeline):
            _run_pipeline(entry, pipeline)
    except KeyboardInterrupt:
        print("stopped; the same command continues where it stopped", file=sys.stderr)
        raise
    except CheckFailedError as error:
        print(f"error: {error}", file=sys.stderr)
    except Exception as error:
        if settings is not None and entry is None:
            deliver_and_report(settings, failure_message(request.name or "Preannotate", str(error)))
        raise
    finally:
        if settings is not None and entry is not None and entry.code not in (None, INTERRUPTED):
            deliver_and_report(
                settings, run_message(entry.run, workspace, models_page(workspace.model(entry.run.model_name)))
            )
    return CHECK_FAILED if entry is None or entry.code is None else entry.code


class _RunEntry:
    """The entry of this process in the list of runs.

    Attributes:
        run: As registered.
        code: Exit code; None before the end.
        remark: Why a finished version was not published; "" if it was, or was not to be.
    """

    def __init__(self, queue: RunQueue, request: RunRequest) -> None:
        """Register the run, unless whoever started this process has; raises JobError if another works on the model."""
        self._queue = queue
        # Not for the processes that this one starts.
        run_id = os.environ.pop(RUN_VARIABLE, None)
        self._by_hand = run_id is None
        if self._by_hand:  # records the end of runs that were killed while nobody followed them
            Supervisor(queue, may_start=lambda run: False).step()
        self.run: Run = queue.get(int(run_id) if run_id else queue.register(request, this_process()))
        self.code: int | None = None
        self.remark = ""
        self.folder = self.run.folder
        self.folder.mkdir(parents=True, exist_ok=True)

    def say(self, line: str) -> None:
        """Print a line for people; the log of a run that was started by hand gets it as well."""
        line = printable(redacted(line), _LONGEST_LINE)
        print(line, flush=True)
        if self._by_hand:
            with (self.folder / LOG).open("a", encoding="utf-8") as log:
                log.write(f"{line}\n")

    def end(self, error: BaseException | None) -> None:
        """Record the end; for a queued run, its supervisor does."""
        if error is None:
            state, text, self.code = State.DONE, self.remark, CHECK_FAILED if self.remark else 0
        elif isinstance(error, Exception):
            state, text = State.FAILED, str(error)
            self.code = CHECK_FAILED if isinstance(error, CheckFailedError) else COULD_NOT_RUN
        else:
            state, text, self.code = State.STOPPED, "", INTERRUPTED
        if self._by_hand:
            self._queue.end(self.run.id, state, text, self.code)
        self.run = replace(self.run, state=state, error=text, exit_code=self.code)


@contextmanager
def _registered(workspace: Workspace, request: RunRequest, *, repeats: bool) -> "Iterator[tuple[_RunEntry, Pipeline]]":
    """Lock the model, register the run, and record its end."""
    # Not before cvat-sdk is known to be there.
    from preannotate.cvat.connection import connect
    from preannotate.pipeline.run import Pipeline, stages
    from preannotate.pipeline.run_request import name_for

    login = functools.cache(lambda: connect(request.login()))
    request = replace(request, name=request.name or name_for(login(), workspace, request))
    model = workspace.model(request.name or "")
    with model.locked() as lock, contextlib.closing(Database(workspace.database)) as database:
        entry = _RunEntry(RunQueue(database, workspace), request)
        try:
            kept = read_run_request(model.run_request)
            write_run_request(
                model.run_request,
                to_keep(kept, request, repeats=repeats or entry.run.source == RunSource.WATCH),
            )
            progress = ProgressWriter(entry.folder / PROGRESS, stages(request))
            yield entry, Pipeline(workspace, model, request, login, lock, progress, entry.say)
        except BaseException as error:
            entry.end(error)
            raise
        entry.end(None)


def _run_pipeline(entry: _RunEntry, pipeline: "Pipeline") -> None:
    """Run it and say what became of the version."""
    result = pipeline.run()
    number = result.version.number
    if result.not_published is not None:
        entry.remark = result.not_published
        print(f"not published: {result.not_published}", file=sys.stderr)
        return
    functions = pipeline.workspace.functions
    where = f"published from {functions}" if result.published else f"in {result.version.function}"
    scores = format_scores(*result.version.scores())
    entry.say(f"done: version {number} of {pipeline.model.name}, {scores}, {where}")


def _checked(request: RunRequest, workspace: Workspace) -> RunRequest:
    """Return the request, checked as far as CVAT is not needed."""
    request = request.checked()
    if request.kubernetes is not None:
        cluster = KubernetesCluster.parse(request.kubernetes)
        if not cluster.holds(workspace.path):
            raise PipelineError(
                f"--kubernetes: {workspace.path} is not on the volume; expected a workspace below {cluster.mount}, "
                f"where both this machine and the pods have it. Choose it with --workspace, or the place of the volume "
                f"with mount=."
            )
    check_sdk("run")
    return request
