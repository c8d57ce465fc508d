"""Starts waiting runs, looks after running ones, and says what became of them: one thread of the studio.

All that it knows is in the database and in the folders of runs: a studio that is started anew goes on where the one
before it died, with the processes that it left.
"""

import contextlib
import fcntl
import logging
import os
import shlex
import signal
import threading
import time
from collections.abc import Mapping, Sequence

from builder.errors import BuildError
from preannotate.core.errors import PreannotateError
from preannotate.core.progress import VARIABLE as BAR
from preannotate.jobs import commands, notice, processes
from preannotate.jobs.exit_reasons import explain_end, own_progress
from preannotate.jobs.logs import ATTEMPT
from preannotate.jobs.processes import RunProcess
from preannotate.jobs.queue import DONE_FILE, FAILED, LOG, RUNNING, TRAIN, WAITING, Run, RunQueue
from preannotate.notifications.settings import SECRETS
from preannotate.pipeline.progress import Progress
from preannotate.registry.workspace import Workspace, write_json
from preannotate.studio.errors import StudioError
from preannotate.studio.machines import GPU
from preannotate.studio.servers import Servers
from preannotate.studio.settings import Settings

# Between two looks; a run's page asks its files itself.
POLL_SECONDS = 0.5
# After so many seconds the next signal: a training ends after its step, an upload after its request.
STOP_SIGNALS = ((0.0, signal.SIGINT), (40.0, signal.SIGTERM), (60.0, signal.SIGKILL))
SNAPSHOT = "progress.json"
# Logins of this process are not those of a run.
_NOT_INHERITED = (*SECRETS, "CVAT_ACCESS_TOKEN", "PASS", "PREANNOTATE_TOKEN", "PREANNOTATE_STUDIO_TOKEN")
_log = logging.getLogger(__name__)


class Supervisor:
    """See the module."""

    def __init__(
        self,
        queue: RunQueue,
        workspace: Workspace,
        servers: Servers,
        settings: Settings,
        *,
        command: Sequence[str],
        simultaneous: int | None,
    ) -> None:
        self._queue, self._workspace, self._servers, self._settings = queue, workspace, servers, settings
        self._command, self._simultaneous = tuple(command), simultaneous
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._tellers: list[threading.Thread] = []
        self._lock: int | None = None
        self._sent: dict[int, int] = {}

    def start(self) -> None:
        """Look after runs from now on.

        Raises:
            StudioError: Another studio does already.
        """
        self._hold()
        self._thread = threading.Thread(target=self._work, name="runs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave them alone; messages on their way are waited for a little."""
        self._ending.set()
        for thread in filter(None, (self._thread, *self._tellers)):
            thread.join(10.0)
        self._thread = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def step(self) -> None:
        """Look once at all runs."""
        for run in self._queue.in_state(RUNNING):
            self._look(run)
        self._start_waiting()

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                self.step()
            except Exception:  # the next look may go better; without this thread nothing would run any more
                _log.exception("a look at the runs failed")
            self._ending.wait(POLL_SECONDS)

    def _hold(self) -> None:
        folder = self._workspace.path / "studio"
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise StudioError(
                f"{self._workspace.path}: another studio works on this workspace; expected none. "
                f"Use that one, or stop it."
            ) from error
        self._lock = descriptor

    def _look(self, run: Run) -> None:
        overseen = self._overseen(run)
        if run.kind == TRAIN and (progress := own_progress(run, processes.command_process(run.folder))):
            self._queue.note(run.id, version=progress.version)
        if overseen is None or not processes.is_alive(run.folder, overseen):
            self._finish(run.id)
        elif asked := self._queue.stop_asked(run.id):
            self._stop(run, overseen, time.time() - asked)

    def _overseen(self, run: Run) -> RunProcess | None:
        process, began = self._queue.process(run.id)
        if process:
            return RunProcess(process, began)
        found = processes.find(run.folder)  # a studio died between starting it and writing that down
        if found is not None:
            self._queue.begin(run.id, found.process, found.began)
        return found

    def _stop(self, run: Run, overseen: RunProcess, seconds: float) -> None:
        due = [number for after, number in STOP_SIGNALS if seconds >= after]
        if len(due) > self._sent.get(run.id, 0):
            self._sent[run.id] = len(due)
            processes.interrupt(overseen, due[-1])

    def _finish(self, run_id: int) -> None:
        run = self._queue.get(run_id)
        code = processes.exit_code(run.folder)
        end = explain_end(run, code, self._workspace, asked_to_stop=run.stopping)
        if run.kind == TRAIN and (progress := own_progress(run, processes.command_process(run.folder))):
            with contextlib.suppress(OSError):
                _keep(run, progress, end.state)
        self._queue.end(run.id, end.state, end.error)
        self._sent.pop(run.id, None)
        self._tell(run.id, code)

    def _tell(self, run_id: int, code: int | None) -> None:
        run = self._queue.get(run_id)
        if not run.order.notify:
            return

        def tell() -> None:
            try:
                problems = notice.tell(run, code, self._workspace, self._settings)
            except PreannotateError as error:
                problems = [str(error)]
            with contextlib.suppress(OSError), (run.folder / LOG).open("a", encoding="utf-8") as log:
                log.writelines(f"notification: {problem}\n" for problem in problems)

        self._tellers = [thread for thread in self._tellers if thread.is_alive()]
        self._tellers.append(threading.Thread(target=tell, name="notification", daemon=True))
        self._tellers[-1].start()

    def _start_waiting(self) -> None:
        most = self._simultaneous or self._settings.simultaneous
        for run in self._queue.in_state(WAITING):
            running = self._queue.in_state(RUNNING)
            if len(running) >= most:
                return
            why = self._waits_for(run, running)
            if why != run.error:
                self._queue.note(run.id, error=why)
            if not why:
                self._launch(run)

    def _waits_for(self, run: Run, running: Sequence[Run]) -> str:
        for other in running:
            if other.model_name == run.model_name:
                return f"waits for run {other.id}, which works with the same model."
            if run.order.machine.startswith(GPU) and other.order.machine == run.order.machine:
                return f"waits for run {other.id}, which uses {run.order.machine}."
        if run.kind == TRAIN and _is_locked(run):
            return f"waits until another program has finished its work on the model {run.model_name!r}."
        return ""

    def _launch(self, run: Run) -> None:
        run.folder.mkdir(parents=True, exist_ok=True)
        processes.forget(run.folder)
        (run.folder / DONE_FILE).unlink(missing_ok=True)
        if not self._queue.claim(run.id):
            return
        try:
            login, place = self._servers.options(run.order.server_id), self._settings.kubernetes
            words = commands.arguments(run.order, self._workspace, login, place)
            environment = self._environment(run)
            with (run.folder / LOG).open("a", encoding="utf-8") as log:
                log.write(f"{ATTEMPT}preannotate {shlex.join(words)}\n")
            overseen = processes.launch(
                run.folder, [*self._command, *words], log=run.folder / LOG, environment=environment
            )
        except (PreannotateError, BuildError, OSError) as error:
            self._queue.end(run.id, FAILED, str(error))
            self._tell(run.id, None)
            return
        self._queue.begin(run.id, overseen.process, overseen.began)

    def _environment(self, run: Run) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        kind, _, number = run.order.machine.partition(":")
        # The driver's own numbers, as `machines` lists them; "-1" is no GPU.
        devices = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": number if kind == "gpu" else "-1"}
        told = {"PYTHONUNBUFFERED": "1", BAR: str(run.folder / DONE_FILE)}
        return inherited | devices | told | self._servers.environment(run.order.server_id)


def _keep(run: Run, progress: Progress, state: str) -> None:
    """Write down how far it came: the model's own file is the next run's."""
    # Whoever was killed could not say that its stage is over.
    stages = [vars(stage) | ({"state": state} if stage.state == RUNNING else {}) for stage in progress.stages]
    content = {"process": progress.process, "version": progress.version, "error": progress.error, "stages": stages}
    write_json(run.folder / SNAPSHOT, content)


def _is_locked(run: Run) -> bool:
    """Whether a process holds the lock of the model."""
    try:
        descriptor = os.open(run.model_folder / ".lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
