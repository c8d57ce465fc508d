"""The queue of runs: kept in the database, so that it survives a restart."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRAIN, ANNOTATE, REVIEW, RANK = "train", "annotate", "review", "rank"
KINDS = (TRAIN, ANNOTATE, REVIEW, RANK)
WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"


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
        base_model: "imagenet", "none", or a folder of an earlier run or a file of weights.
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
    options: dict[str, Any] = field(default_factory=dict)


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
        error: Why it failed or what it waits for, one sentence; "" otherwise.
        order: What was asked for.
        version: Number of the version that it makes or made; 0 if it makes none, or not yet.
        folder: WORKSPACE/studio/runs/ID, with `log.txt` and what a review or ranking wrote.
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


class Queue:
    """All runs."""

    def add(self, order: Order) -> int:
        """Check an order and put it at the end of the queue; returns the run's id.

        Raises:
            StudioError: The order cannot be, in one sentence.
            TrainingError: Its arguments cannot.
            BuildError: Its name cannot.
        """
        raise NotImplementedError

    def get(self, run_id: int) -> Run:
        """One run.

        Raises:
            StudioError: There is none of that id.
        """
        raise NotImplementedError

    def stop(self, run_id: int) -> None:
        """Take a waiting run out, or ask a running one to end: it does within half a minute, and can go on later.

        Raises:
            StudioError: It is over.
        """
        raise NotImplementedError

    def resume(self, run_id: int) -> None:
        """Put a run that stopped or failed at the end of the queue again; it goes on where it was.

        Raises:
            StudioError: It is neither.
        """
        raise NotImplementedError

    def delete(self, run_id: int) -> None:
        """Forget a run that is over, with its log; an unfinished version that it made is removed, finished ones stay.

        Raises:
            StudioError: It waits or runs.
        """
        raise NotImplementedError

    def position(self, run_id: int) -> int:
        """How many waiting runs come before this one; 0 if it is next, or not waiting."""
        raise NotImplementedError

    def list(self, *, model_name: str | None = None, limit: int = 200) -> list[Run]:
        """Runs, the newest first."""
        raise NotImplementedError
