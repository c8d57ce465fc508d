"""Starts waiting runs, follows running ones, and records how they end.

The web interface and each `watch` have a supervisor. All supervisors of a workspace share one queue: each starts the
runs whose login its own process has, and follows all of them, so that a run whose supervisor died is still recorded.
What they know is in the database and in the folders of runs.
"""

import contextlib
import datetime
import logging
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

from preannotate.core.drafts import clear_abandoned
from preannotate.core.errors import FileError, PreannotateError
from preannotate.core.files import write_json
from preannotate.core.progress import FORMAT, VARIABLE, State
from preannotate.jobs import processes
from preannotate.jobs.exit_reasons import ATTEMPT, explain_end
from preannotate.jobs.queue import HOST, LOG, PROGRESS, Run, RunQueue, RunSource
from preannotate.jobs.task_request import RunKind, TaskRequest
from preannotate.notifications.settings import SECRETS
from preannotate.registry.workspace import ModelFolder

POLL_SECONDS = 0.5
# After so many seconds the next signal: a training ends after its step, an upload after its request.
STOP_SIGNALS = ((0.0, signal.SIGINT), (40.0, signal.SIGTERM), (60.0, signal.SIGKILL))
# Tells a run that it is in the queue already.
RUN_VARIABLE = "PREANNOTATE_RUN"
COMMAND = (sys.executable, "-m", "preannotate")
GPU = "gpu"
# A run of another host is over if nobody holds its locks so long after its start.
_FOREIGN_SECONDS = 120.0
_log = logging.getLogger(__name__)


class Supervisor:
    """See the module; `step` does everything once, `start` does it again and again in a thread."""

    def __init__(
        self,
        queue: RunQueue,
        *,
        may_start: Callable[[Run], bool],
        environment: Callable[[Run], dict[str, str]] = lambda run: {},
        not_inherited: Collection[str] = (),
        on_end: Callable[[Run], Sequence[str]] | None = None,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start nothing yet.

        Args:
            queue: Of the workspace.
            may_start: Whether this process has the login of a run.
            environment: That login, and what else a run needs in its environment.
            not_inherited: Variables of this process that no run gets, besides the secrets of notifications.
            on_end: Sends the message about a run with `notify`; returns what could not be delivered, as sentences.
            command: The program, before the name of the subcommand.
            clock: Seconds since 1970.
        """
        self._queue, self._may_start, self._environment = queue, may_start, environment
        self._not_inherited = {*SECRETS, *not_inherited, VARIABLE, RUN_VARIABLE}
        self._on_end, self._command, self._clock = on_end, tuple(command), clock
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._messengers: list[threading.Thread] = []
        self._signals_sent: dict[int, int] = {}

    def start(self) -> None:
        """Follow and start runs from now on, in a thread."""
        self._thread = threading.Thread(target=self._work, name="runs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following them; they continue. Messages on their way are waited for a little."""
        self._closing.set()
        for thread in filter(None, (self._thread, *self._messengers)):
            thread.join(10.0)
        self._thread = None

    def step(self) -> None:
        """Follow all runs once, and start those that can start."""
        for run in self._queue.in_state(State.RUNNING):
            self._follow(run)
        while (claimed := self._queue.claim_next(self._may_start, _why_waiting)) is not None:
            self._launch(claimed)
        if self._on_end is not None:  # also about runs whose end another supervisor has recorded
            for run in self._queue.claim_messages():
                self._send_message(run, self._on_end)

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                self.step()
            except Exception:  # the next step may succeed; without this thread nothing would run any more
                _log.exception("supervising the runs failed")
            self._closing.wait(POLL_SECONDS)

    def _follow(self, run: Run) -> None:
        if run.host != HOST:
            self._follow_from_afar(run)
            return
        process = run.process
        if process is None:
            if (process := processes.find_process(run.folder)) is None:
                if run.owner is None or not run.owner.alive:
                    self._start_again(run)
                return
            self._queue.set_process(run.id, process)  # whoever started it died before recording it
        if (progress := run.progress) is not None and progress.version != run.version:
            self._queue.note(run.id, version=progress.version)
        if not processes.is_alive(run.folder, process):
            # Whoever started it may have been killed together with it, before it did anything.
            killed_with_owner = run.owner is not None and not run.owner.alive and not processes.has_begun(run.folder)
            self._start_again(run) if killed_with_owner else self._finish(run.id)
        elif run.stop_requested is not None:
            due = [number for after, number in STOP_SIGNALS if self._clock() - run.stop_requested >= after]
            if len(due) > self._signals_sent.get(run.id, 0):
                self._signals_sent[run.id] = len(due)
                process.send_signal(due[-1])

    def _follow_from_afar(self, run: Run) -> None:
        """Follow a run of another container: its process numbers say nothing here, but its locks do."""
        age = self._clock() - datetime.datetime.fromisoformat(run.started or run.created).timestamp()
        if age <= _FOREIGN_SECONDS:
            return
        works = processes.is_held(run.folder) or (run.kind == RunKind.TRAIN and ModelFolder(run.model_folder).busy)
        if not works:
            by_hand = run.source == RunSource.COMMAND_LINE
            self._finish(run.id) if by_hand or processes.has_begun(run.folder) else self._start_again(run)

    def _start_again(self, run: Run) -> None:
        """Put a run back into its place in the queue: it was claimed, and never began."""
        if run.stopping:
            self._queue.end(run.id, State.STOPPED)
        else:
            self._queue.release(run)

    def _finish(self, run_id: int) -> None:
        run = self._queue.get(run_id)
        code = processes.exit_code(run.folder)
        end = explain_end(run, code, self._queue.workspace)
        self._signals_sent.pop(run_id, None)
        clear_abandoned(run.folder)
        if self._queue.end(run_id, end.state, end.error, code) and (progress := run.progress) is not None:
            # A process that was killed could not note that its stage is over.
            with contextlib.suppress(FileError):
                write_json(run.folder / PROGRESS, {"format": FORMAT, **asdict(progress.ended_as(end.state))})

    def _send_message(self, run: Run, on_end: Callable[[Run], Sequence[str]]) -> None:
        def send() -> None:
            try:
                problems = on_end(run)
            except PreannotateError as error:
                problems = [str(error)]
            with contextlib.suppress(OSError), (run.folder / LOG).open("a", encoding="utf-8") as log:
                log.writelines(f"notification: {problem}\n" for problem in problems)

        self._messengers = [thread for thread in self._messengers if thread.is_alive()]
        self._messengers.append(threading.Thread(target=send, name="notification", daemon=True))
        self._messengers[-1].start()

    def _launch(self, run: Run) -> None:
        try:
            run.folder.mkdir(parents=True, exist_ok=True)
            processes.forget(run.folder)
            (run.folder / PROGRESS).unlink(missing_ok=True)
            workspace = self._queue.workspace
            if isinstance(run.request, TaskRequest):
                argv = run.request.to_argv(workspace)
            else:
                argv = ["run", "--workspace", str(workspace.path), *run.request.to_argv()]
            environment = self._child_environment(run)
            with (run.folder / LOG).open("a", encoding="utf-8") as log:
                log.write(f"{ATTEMPT}preannotate {shlex.join(argv)}\n")
            process = processes.launch(
                run.folder, [*self._command, *argv], log=run.folder / LOG, environment=environment
            )
        except Exception as error:  # whatever it is, the run must not seem to run
            if not isinstance(error, PreannotateError | OSError):
                _log.exception("starting run %d failed", run.id)
            self._queue.end(run.id, State.FAILED, str(error))
            return
        self._queue.set_process(run.id, process)

    def _child_environment(self, run: Run) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in self._not_inherited}
        own = {"PYTHONUNBUFFERED": "1"}
        if run.kind == RunKind.TRAIN:
            own[RUN_VARIABLE] = str(run.id)  # it writes its progress itself
        else:
            own[VARIABLE] = str(run.folder / PROGRESS)
        if run.machine is not None:
            kind, _, number = run.machine.partition(":")
            # The driver's own numbers; "-1" is no GPU.
            own |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": number if kind == GPU else "-1"}
        return inherited | own | self._environment(run)


def _why_waiting(run: Run, running: Sequence[Run]) -> str:
    for other in running:
        if other.model_name == run.model_name:
            return f"waits for run {other.id} ({other.source}), which works on the same model."
        if run.machine is not None and run.machine.startswith(GPU) and other.machine == run.machine:
            return f"waits for run {other.id}, which uses {run.machine}."
    if run.kind == RunKind.TRAIN and ModelFolder(run.model_folder).busy:
        return f"waits until another program has finished its work on the model {run.model_name!r}."
    return ""
