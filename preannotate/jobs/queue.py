"""All runs of a workspace, whoever starts them: waiting, running and over.

`preannotate run`, `watch` and the web interface each write into this one list (`RunSource`), and each shows all of it.
Several processes change it at once: whatever reads and then writes does so in one transaction.
"""

import contextlib
import datetime
import json
import re
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from preannotate.core.errors import FileError, LockedError
from preannotate.core.progress import Progress, State, read_progress
from preannotate.jobs.database import Database
from preannotate.jobs.errors import JobError
from preannotate.jobs.processes import RunProcess, this_process
from preannotate.jobs.task_request import RunKind, TaskRequest
from preannotate.pipeline.run_request import RunRequest, run_request_from_json
from preannotate.registry.workspace import Workspace, WorkspaceError

# In the folder of a run.
LOG, PROGRESS = "log.txt", "progress.json"
SIMULTANEOUS = "simultaneous"
_MACHINE = re.compile(r"cpu|gpu:[0-9]{1,3}")
# Columns that are fields of `Run` as they are.
_SAME = ("id", "created", "started", "ended", "error", "machine", "version", "exit_code", "host", "stop_requested")
# Of this machine or container: process numbers mean nothing elsewhere.
HOST = socket.gethostname()


class RunSource(StrEnum):
    """Who asked for a run; only that program has its login, so only that one starts it."""

    COMMAND_LINE = "command line"
    WATCH = "watch"
    STUDIO = "studio"


@dataclass(frozen=True)
class Run:
    """A run, waiting, running or over.

    Attributes:
        state: Not SKIPPED.
        created: ISO 8601 with time zone, as `started` and `ended`, which are None before.
        error: Why it failed, what it waits for, or a remark about a run that is done; one sentence or "".
        server_id: The saved server that it logs in to; None logs in by the environment.
        machine: "cpu" or "gpu:0"; None leaves the choice to TensorFlow.
        notify: Whether a message is sent at its end by whoever supervises it.
        version: Number of the version that it creates; None if it creates none, or not yet.
        exit_code: Of its process, negative for a signal; None before its end, or if nobody could record it.
        folder: WORKSPACE/runs/ID, with log, progress, and what a review or ranking wrote.
        host: Name of the machine or container that it runs on; None before it starts.
        process: At the head of the run; None before it starts, or if nobody recorded it.
        owner: The process that claimed it.
        stop_requested: When, in seconds since 1970; None if not, or if it has ended.
    """

    id: int
    kind: RunKind
    source: RunSource
    model_name: str
    state: State
    created: str
    started: str | None
    ended: str | None
    error: str
    request: RunRequest | TaskRequest
    server_id: int | None
    machine: str | None
    notify: bool
    version: int | None
    exit_code: int | None
    folder: Path
    model_folder: Path
    host: str | None = None
    process: RunProcess | None = None
    owner: RunProcess | None = None
    stop_requested: float | None = None

    @property
    def stopping(self) -> bool:
        """Whether a stop was requested, and it has not ended yet."""
        return self.stop_requested is not None

    @property
    def progress(self) -> Progress | None:
        """How far it is; None if it has written nothing yet, or nothing that can be read."""
        try:
            return read_progress(self.folder / PROGRESS)
        except FileError:
            return None


class RunQueue:
    """The list of runs in a workspace's database."""

    def __init__(self, database: Database, workspace: Workspace) -> None:
        self._database, self.workspace = database, workspace

    @property
    def simultaneous(self) -> int:
        """How many queued runs may run at a time in this workspace."""
        return int(self._database.setting(SIMULTANEOUS, 1))

    def add(
        self,
        request: RunRequest | TaskRequest,
        *,
        source: RunSource,
        server_id: int | None = None,
        machine: str | None = None,
        notify: bool = False,
    ) -> int:
        """Queue a request and return the id of the run; raises PreannotateError if it can never run."""
        if machine is not None and not _MACHINE.fullmatch(machine):
            raise JobError(f"machine {machine!r}; expected cpu, or a GPU such as gpu:0.")
        if isinstance(request, TaskRequest):
            request.check(self.workspace)
        else:
            request = request.checked()
        row = {"server": server_id, "machine": machine, "notify": int(notify)}
        return self._insert(request, source, State.WAITING, row)

    def register(self, request: RunRequest, process: RunProcess) -> int:
        """Add a run by hand, which holds the lock of its model; JobError if another run works on the model."""
        with self._database.transaction():
            for other in self.in_state(State.RUNNING):
                if other.model_name == request.name and other.host != HOST:  # it does not hold the lock any more
                    self.end(other.id, State.FAILED, f"run {other.id}: ended without an exit code on {other.host}.")
                elif other.model_name == request.name:
                    raise JobError(
                        f"model {request.name!r}: run {other.id} ({other.source}) works on it; expected none. Wait for "
                        f"it, or stop it."
                    )
            row = {"started": _now(), "host": HOST, "process": process.pid, "process_started": process.started}
            return self._insert(request, RunSource.COMMAND_LINE, State.RUNNING, row)

    def get(self, run_id: int) -> Run:
        """Return a run; raises JobError if there is none of that id."""
        rows = self._database.rows("SELECT * FROM runs WHERE id = ?", (run_id,))
        if not rows:
            raise JobError(f"run {run_id}: not found; expected one of the list. It may have been deleted.")
        return self._run(rows[0])

    def list(self, *, model_name: str | None = None, limit: int = 200) -> list[Run]:
        """Return runs, the newest first."""
        where, values = ("WHERE name = ?", [model_name]) if model_name is not None else ("", [])
        rows = self._database.rows(f"SELECT * FROM runs {where} ORDER BY id DESC LIMIT ?", (*values, limit))
        return [self._run(row) for row in rows]

    def in_state(self, state: State) -> tuple[Run, ...]:
        """Return the runs of a state in the order of the queue."""
        statement = "SELECT * FROM runs WHERE state = ? ORDER BY place"
        return tuple(self._run(row) for row in self._database.rows(statement, (state,)))

    def position(self, run_id: int) -> int:
        """Return how many waiting runs come before this one; 0 if it is next, or not waiting."""
        statement = (
            "SELECT COUNT(*) AS count FROM runs WHERE state = ? AND place < "
            "(SELECT place FROM runs WHERE id = ? AND state = ?)"
        )
        return int(self._database.rows(statement, (State.WAITING, run_id, State.WAITING))[0]["count"])

    def stop(self, run_id: int) -> None:
        """Remove a waiting run from the queue, or stop a running one within a minute; JobError if it is over."""
        with self._database.transaction():
            run = self.get(run_id)
            if run.state.is_over:
                raise JobError(f"run {run_id}: is over already; expected one that waits or runs.")
            if run.state == State.WAITING:
                self.end(run_id, State.STOPPED)
            else:
                self._database.change(
                    "UPDATE runs SET stop_requested = ? WHERE id = ? AND stop_requested IS NULL", (time.time(), run_id)
                )

    def resume(self, run_id: int) -> None:
        """Queue a run again that was stopped or failed; it continues where it was.

        Raises:
            JobError: It was neither, or it was started by hand.
        """
        with self._database.transaction():
            run = self.get(run_id)
            if run.state not in (State.STOPPED, State.FAILED):
                raise JobError(f"run {run_id}: is {run.state}; expected one that was stopped or failed.")
            if run.source == RunSource.COMMAND_LINE:
                raise JobError(
                    f"run {run_id}: was started on the command line, and only that has its login; expected a run of "
                    f"the web interface. Run the same command again."
                )
            self._database.change(
                f"UPDATE runs SET place = {_NEXT_PLACE}, {_RESET} WHERE id = ?", (State.WAITING, run_id)
            )

    def delete(self, run_id: int) -> None:
        """Remove a run that is over (else JobError), with its log and its version if that is unfinished."""
        with self._database.transaction():
            run = self.get(run_id)
            if not run.state.is_over:
                raise JobError(f"run {run_id}: is {run.state}; expected one that is over. Stop it first.")
            self._database.change("DELETE FROM runs WHERE id = ?", (run_id,))
        shutil.rmtree(run.folder, ignore_errors=True)
        if run.kind == RunKind.TRAIN and run.version is not None:
            self._remove_unfinished(run, run.version)

    # What supervisors and runs use.

    def claim_next(
        self, may_start: Callable[[Run], bool], why_waiting: Callable[[Run, Sequence[Run]], str]
    ) -> Run | None:
        """Mark the first run that can start now as running, with this process as its owner, and return it.

        Args:
            may_start: Whether this process starts a run at all.
            why_waiting: Gets a run and those that are running; returns why it must wait, "" if it can start.
        """
        if not any(may_start(run) for run in self.in_state(State.WAITING)):
            return None  # without the lock of a transaction, twice a second
        with self._database.transaction():
            running = self.in_state(State.RUNNING)
            if len(running) >= self.simultaneous:
                return None
            for run in self.in_state(State.WAITING):
                if not may_start(run):
                    continue
                if why := why_waiting(run, running):
                    if why != run.error:
                        self.note(run.id, error=why)
                    continue
                owner = this_process()
                self._database.change(
                    "UPDATE runs SET state = ?, started = ?, error = '', host = ?, owner = ?, owner_started = ? "
                    "WHERE id = ?",
                    (State.RUNNING, _now(), HOST, owner.pid, owner.started, run.id),
                )
                return self.get(run.id)
        return None

    def release(self, run: Run) -> None:
        """Put a run back into its place in the queue, unless it has changed hands meanwhile."""
        owner, process = run.owner, run.process
        hands = (owner and owner.pid, owner and owner.started, process and process.pid)
        self._database.change(
            f"UPDATE runs SET {_RESET} WHERE id = ? AND state = ? AND owner IS ? AND owner_started IS ? "
            "AND process IS ?",
            (State.WAITING, run.id, State.RUNNING, *hands),
        )

    def set_process(self, run_id: int, process: RunProcess) -> None:
        """Record the process of a run."""
        statement = "UPDATE runs SET process = ?, process_started = ? WHERE id = ?"
        self._database.change(statement, (process.pid, process.started, run_id))

    def note(self, run_id: int, *, error: str | None = None, version: int | None = None) -> None:
        """Record what became known of a run; None leaves it as it is."""
        for column, value in (("error", error), ("version", version)):
            if value is not None:
                self._database.change(f"UPDATE runs SET {column} = ? WHERE id = ?", (value, run_id))

    def end(self, run_id: int, state: State, error: str = "", exit_code: int | None = None) -> bool:
        """Record the end of a run; return False if somebody has done so before."""
        return bool(
            self._database.change(
                "UPDATE runs SET state = ?, error = ?, exit_code = ?, ended = ?, stop_requested = NULL "
                "WHERE id = ? AND state IN (?, ?)",
                (state, error, exit_code, _now(), run_id, State.WAITING, State.RUNNING),
            )
        )

    def claim_messages(self) -> Sequence[Run]:
        """Return the runs that have ended and whose message nobody has sent; this process sends it now."""
        statement = "SELECT * FROM runs WHERE notify = 1 AND started IS NOT NULL AND ended IS NOT NULL"
        claim = "UPDATE runs SET notify = 2 WHERE id = ? AND notify = 1"
        runs = [self._run(row) for row in self._database.rows(statement)]
        return [run for run in runs if self._database.change(claim, (run.id,))]

    def _insert(self, request: RunRequest | TaskRequest, source: RunSource, state: State, row: dict[str, Any]) -> int:
        kind = request.kind if isinstance(request, TaskRequest) else RunKind.TRAIN
        values = {
            "kind": kind,
            "name": request.name,
            "source": source,
            "state": state,
            "created": _now(),
            "request": json.dumps(asdict(request), ensure_ascii=False),
            **row,
        }
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        return self._database.insert(
            f"INSERT INTO runs ({columns}, place) VALUES ({marks}, {_NEXT_PLACE})", tuple(values.values())
        )

    def _run(self, row: Any) -> Run:
        kind, content = RunKind(row["kind"]), json.loads(row["request"])
        request: RunRequest | TaskRequest = (
            run_request_from_json(content) if kind == RunKind.TRAIN else TaskRequest(**content | {"kind": kind})
        )
        return Run(
            **{name: row[name] for name in _SAME},
            kind=kind,
            source=RunSource(row["source"]),
            model_name=row["name"],
            state=State(row["state"]),
            request=request,
            server_id=row["server"],
            notify=bool(row["notify"]),
            folder=self.workspace.run_folder(row["id"]),
            model_folder=self.workspace.path / "models" / row["name"],
            process=_process(row, "process"),
            owner=_process(row, "owner"),
        )

    def _remove_unfinished(self, run: Run, number: int) -> None:
        if self._database.rows("SELECT id FROM runs WHERE name = ? AND version = ?", (run.model_name, number)):
            return  # another run continues it
        with contextlib.suppress(WorkspaceError, LockedError):  # whoever works on the model decides
            model = self.workspace.existing(run.model_name)
            with model.locked():
                version = model.version(number)
                if not version.record_file.exists() and not version.path.is_symlink():
                    shutil.rmtree(version.path, ignore_errors=True)


_NEXT_PLACE = "(SELECT COALESCE(MAX(place), 0) + 1 FROM runs)"
_RESET = (
    "state = ?, started = NULL, ended = NULL, error = '', exit_code = NULL, stop_requested = NULL, owner = NULL, "
    "process = NULL, notify = notify > 0"
)


def _process(row: Any, column: str) -> RunProcess | None:
    return None if row[column] is None else RunProcess(row[column], row[f"{column}_started"])


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
