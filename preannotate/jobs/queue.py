"""The queue of runs: kept in the database, so that it survives a restart."""

import contextlib
import datetime
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from preannotate.jobs.database import Database
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import Workspace
from preannotate.studio.errors import StudioError
from preannotate.studio.servers import Servers
from preannotate.studio.settings import Settings

TRAIN, ANNOTATE, REVIEW, RANK = "train", "annotate", "review", "rank"
KINDS = (TRAIN, ANNOTATE, REVIEW, RANK)
WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"
OVER = (DONE, FAILED, STOPPED)
# In the folder of a run: what its process says, and how far it is (`preannotate.bar`).
LOG, DONE_FILE = "log.txt", "done.json"


@dataclass(frozen=True)
class Order:
    """What is asked for; it has no secret, and can be ordered again.

    Attributes:
        kind: One of `KINDS`.
        name: Of the model: a new one for `TRAIN`, or one that gets another version; what CVAT and nuclio can take.
        server_id: A saved server.
        server_url: Its address, kept for people should the server be removed; filled in by `Queue.add`.
        tasks: Numbers on the server. `ANNOTATE`, `REVIEW` and `RANK` take exactly one.
        projects: The same; `TRAIN` only.
        jobs: The same; `TRAIN` only.
        model: Of `--model`; "auto" chooses.
        arguments: Of `--arguments`, as `arguments.assemble` gives it.
        base_model: "imagenet", "none", "previous" (the latest version of this model), or a path: a folder of an
            earlier run, a file of weights.
        machine: `Machine.id`.
        deploy: "serve", "nuctl" or "none".
        annotate_rest: After a training, let CVAT annotate the frames without annotations.
        notify: Send a message at the end.
        options: What else the kind takes: see `commands.OPTIONS`.
    """

    kind: str = TRAIN
    name: str = ""
    server_id: int = 0
    server_url: str = ""
    tasks: tuple[int, ...] = ()
    projects: tuple[int, ...] = ()
    jobs: tuple[int, ...] = ()
    model: str = "auto"
    arguments: str = ""
    base_model: str = "imagenet"
    machine: str = "cpu"
    deploy: str = "serve"
    annotate_rest: bool = False
    notify: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run, waiting, at work or over.

    Attributes:
        id: Of the run.
        kind: One of `KINDS`.
        model_name: `order.name`.
        state: `WAITING`, `RUNNING`, `DONE`, `FAILED` or `STOPPED`.
        created: ISO 8601 with time zone.
        began: The same; "" before.
        ended: The same.
        error: Why it failed, what it waits for, or what is to be said of a run that is done, one sentence; else "".
        order: What was asked for.
        version: Number of the version that it makes or made; 0 if it makes none, or not yet.
        folder: WORKSPACE/studio/runs/ID, with `log.txt`, and what a review or ranking wrote.
        model_folder: WORKSPACE/models/NAME.
        stopping: Somebody asked it to stop, and it has not yet.
    """

    id: int
    kind: str
    model_name: str
    state: str
    created: str
    began: str
    ended: str
    error: str
    order: Order
    version: int
    folder: Path
    model_folder: Path
    stopping: bool = False


class RunQueue:
    """All runs; whoever starts them (`runner`) uses the methods at the end."""

    def __init__(self, database: Database, workspace: Workspace, servers: Servers, settings: Settings) -> None:
        self._database, self._workspace, self._servers, self._settings = database, workspace, servers, settings

    def add(self, order: Order) -> int:
        """Check an order and put it at the end of the queue; returns the run's id.

        Raises:
            StudioError: The order cannot be, in one sentence.
            TrainingError: Its arguments cannot.
            BuildError: Its name cannot.
            WorkspaceError: It needs a model that is not there.
        """
        from preannotate.jobs.commands import check

        check(order, self._workspace, self._settings.kubernetes)
        order = replace(order, server_url=self._servers.get(order.server_id).url)
        with self._database.transaction():
            return self._database.insert(
                f"INSERT INTO runs (kind, name, state, created, asked, place) VALUES (?, ?, ?, ?, ?, {_NEXT_PLACE})",
                (order.kind, order.name, WAITING, _now(), json.dumps(asdict(order), ensure_ascii=False)),
            )

    def get(self, run_id: int) -> Run:
        """One run.

        Raises:
            StudioError: There is none of that id.
        """
        rows = self._database.rows("SELECT * FROM runs WHERE id = ?", (run_id,))
        if not rows:
            raise StudioError(f"run {run_id}: there is none; expected one of the list. It may have been deleted.")
        return self._run(rows[0])

    def stop(self, run_id: int) -> None:
        """Take a waiting run out, or ask a running one to end: it does within a minute, and can go on later.

        Raises:
            StudioError: It is over.
        """
        with self._database.transaction():
            run = self.get(run_id)
            if run.state in OVER:
                raise StudioError(f"run {run_id}: is over already; expected one that waits or runs.")
            if run.state == WAITING:
                self.end(run_id, STOPPED)
            else:
                self._database.change(
                    "UPDATE runs SET stop_asked = ? WHERE id = ? AND stop_asked = 0", (time.time(), run_id)
                )

    def resume(self, run_id: int) -> None:
        """Put a run that stopped or failed at the end of the queue again; it goes on where it was.

        Raises:
            StudioError: It is neither.
        """
        with self._database.transaction():
            run = self.get(run_id)
            if run.state not in (STOPPED, FAILED):
                raise StudioError(f"run {run_id}: is {run.state}; expected one that was stopped or failed.")
            self._database.change(
                f"UPDATE runs SET state = ?, place = {_NEXT_PLACE}, ended = '', error = '', stop_asked = 0, "
                f"process = 0, process_began = 0 WHERE id = ?",
                (WAITING, run_id),
            )

    def delete(self, run_id: int) -> None:
        """Forget a run that is over, with its log; an unfinished version that it made is removed, finished ones stay.

        Raises:
            StudioError: It waits or runs.
        """
        with self._database.transaction():
            run = self.get(run_id)
            if run.state not in OVER:
                raise StudioError(f"run {run_id}: is {run.state}; expected one that is over. Stop it first.")
            self._database.change("DELETE FROM runs WHERE id = ?", (run_id,))
        shutil.rmtree(run.folder, ignore_errors=True)
        if run.kind == TRAIN and run.version:
            self._remove_unfinished(run)

    def position(self, run_id: int) -> int:
        """How many waiting runs come before this one; 0 if it is next, or not waiting."""
        statement = (
            "SELECT COUNT(*) AS count FROM runs WHERE state = ? AND place < "
            "(SELECT place FROM runs WHERE id = ? AND state = ?)"
        )
        return self._database.rows(statement, (WAITING, run_id, WAITING))[0]["count"]

    def in_state(self, state: str) -> tuple[Run, ...]:
        """Runs of a state in the order of the queue."""
        statement = "SELECT * FROM runs WHERE state = ? ORDER BY place"
        return tuple(self._run(row) for row in self._database.rows(statement, (state,)))

    def claim(self, run_id: int) -> bool:
        """A waiting run is going to get a process; False if somebody took it out of the queue meanwhile."""
        return bool(
            self._database.change(
                "UPDATE runs SET state = ?, began = ?, ended = '', error = '', process = 0 WHERE id = ? AND state = ?",
                (RUNNING, _now(), run_id, WAITING),
            )
        )

    def begin(self, run_id: int, process: int, process_began: float) -> None:
        """A claimed run has got its process."""
        statement = "UPDATE runs SET process = ?, process_began = ? WHERE id = ?"
        self._database.change(statement, (process, process_began, run_id))

    def process(self, run_id: int) -> tuple[int, float]:
        """Number of the process at the head of a run, and when it began; 0 if it got none, or nobody wrote it down."""
        row = self._database.rows("SELECT process, process_began FROM runs WHERE id = ?", (run_id,))[0]
        return row["process"], row["process_began"]

    def stop_asked(self, run_id: int) -> float:
        """When somebody asked it to stop, seconds since 1970; 0 if nobody did."""
        return self._database.rows("SELECT stop_asked FROM runs WHERE id = ?", (run_id,))[0]["stop_asked"]

    def note(self, run_id: int, *, error: str | None = None, version: int | None = None) -> None:
        """Something became known of a run."""
        for column, value in (("error", error), ("version", version)):
            if value is not None:
                self._database.change(f"UPDATE runs SET {column} = ? WHERE id = ?", (value, run_id))

    def end(self, run_id: int, state: str, error: str = "") -> None:
        """A run is over."""
        self._database.change(
            "UPDATE runs SET state = ?, error = ?, ended = ?, stop_asked = 0 WHERE id = ?",
            (state, error, _now(), run_id),
        )

    def list(self, *, model_name: str | None = None, limit: int = 200) -> list[Run]:
        """Runs, the newest first."""
        where, values = ("WHERE name = ?", [model_name]) if model_name is not None else ("", [])
        rows = self._database.rows(f"SELECT * FROM runs {where} ORDER BY id DESC LIMIT ?", (*values, limit))
        return [self._run(row) for row in rows]

    def _run(self, row: Any) -> Run:
        content = json.loads(row["asked"])
        numbers = {name: tuple(content[name]) for name in ("tasks", "projects", "jobs")}
        return Run(
            id=row["id"],
            kind=row["kind"],
            model_name=row["name"],
            state=row["state"],
            created=row["created"],
            began=row["began"],
            ended=row["ended"],
            error=row["error"],
            order=Order(**{**content, **numbers}),
            version=row["version"],
            folder=self._workspace.path / "studio" / "runs" / str(row["id"]),
            model_folder=self._workspace.path / "models" / row["name"],
            stopping=bool(row["stop_asked"]),
        )

    def _remove_unfinished(self, run: Run) -> None:
        if self._database.rows("SELECT id FROM runs WHERE name = ? AND version = ?", (run.model_name, run.version)):
            return  # another run goes on with it
        with contextlib.suppress(WorkspaceError):  # somebody works on the model: it is theirs
            model = self._workspace.existing(run.model_name)
            with model.locked():
                version = model.version(run.version)
                if not version.record_file.exists() and not version.path.is_symlink():
                    shutil.rmtree(version.path, ignore_errors=True)


_NEXT_PLACE = "(SELECT COALESCE(MAX(place), 0) + 1 FROM runs)"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
