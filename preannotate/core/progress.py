"""How far a long piece of work is: one file format, one writer, one reader, and a bar on a terminal.

    {"format": 1, "version": 3, "error": "", "stages": [
      {"name": "train", "state": "running", "detail": "epoch 3 of 40", "done": 2.4, "total": 40, "unit": "epoch",
       "seconds_left": 700.0, "started": "2026-11-27T10:00:00+00:00", "ended": null}]}

The file is replaced as a whole, at most once a second and at each change of a stage's state, so that it can be read at
any moment. `preannotate run`, the trainer, and long commands (`ProgressBar`) write it; jobs and the studio read it.
"""

import contextlib
import datetime
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tqdm import tqdm

from preannotate.core.errors import FileError
from preannotate.core.files import read_json, write_json
from preannotate.core.text import plural

FORMAT = 1
# Names the file that a long command writes, for the program that started it.
VARIABLE = "PREANNOTATE_PROGRESS"
WRITE_SECONDS = 1.0
_log = logging.getLogger(__name__)


class State(StrEnum):
    """Of a run or of one of its stages; only a stage can be skipped, because its inputs did not change."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_over(self) -> bool:
        """Whether it will not change any more by itself."""
        return self not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True)
class Stage:
    """One step of a piece of work.

    Attributes:
        detail: One line for people, which may change while the stage runs.
        done: How much is done, in units; may be a fraction ("2.4 of 40 epochs"). None if nothing is counted.
        started: ISO 8601 with time zone; None before it started.
        ended: ISO 8601 with time zone; None before it ended.
    """

    name: str
    state: State = State.WAITING
    detail: str = ""
    done: float | None = None
    total: float | None = None
    unit: str = ""
    seconds_left: float | None = None
    started: str | None = None
    ended: str | None = None

    @property
    def fraction(self) -> float:
        """How much of it is done, in [0, 1]; 0 where nothing is counted."""
        if self.state in (State.DONE, State.SKIPPED):
            return 1.0
        return min(1.0, max(0.0, self.done / self.total)) if self.done and self.total else 0.0

    @property
    def count(self) -> str:
        """How much is done, for people: "12 of 400 frames"; "" where nothing is counted."""
        if self.done is None or not self.total:
            return ""
        return f"{math.floor(self.done)} of {plural(math.ceil(self.total), self.unit)}"


@dataclass(frozen=True)
class Progress:
    """What a progress file says.

    Attributes:
        version: Number of the model version that is made; None before it is known, or if none is made.
        error: The sentence that ended the work; "" if none did.
    """

    stages: tuple[Stage, ...] = ()
    version: int | None = None
    error: str = ""

    def stage(self, name: str) -> Stage | None:
        """Return a stage by its name."""
        return next((stage for stage in self.stages if stage.name == name), None)

    @property
    def failed_stage(self) -> str | None:
        """The name of the stage that failed."""
        return next((stage.name for stage in self.stages if stage.state == State.FAILED), None)

    def ended_as(self, state: State) -> "Progress":
        """Return it with the running stage in the state in which the work ended: a killed process cannot say so."""
        stages = (replace(stage, state=state) if stage.state == State.RUNNING else stage for stage in self.stages)
        return replace(self, stages=tuple(stages))


def read_progress(path: Path) -> Progress | None:
    """Return what a progress file says; None if there is none.

    Raises:
        FileError: The file is damaged.
    """
    content = read_json(path)
    if content is None:
        return None
    try:
        if content["format"] != FORMAT:
            raise ValueError(content["format"])
        version = content["version"]
        stages = tuple(_stage(stage) for stage in content["stages"])
        return Progress(stages, None if version is None else int(version), str(content["error"]))
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path}: {error!r}; expected progress of format {FORMAT}. Remove the file.") from error


def _stage(content: dict[str, Any]) -> Stage:
    numbers = {name: content[name] for name in ("done", "total", "seconds_left")}
    if any(isinstance(value, bool) or not isinstance(value, int | float | None) for value in numbers.values()):
        raise ValueError(numbers)
    return Stage(**content | {"state": State(content["state"])})


class ProgressWriter:
    """Keeps a progress file up to date; a file that cannot be written does not end the work."""

    def __init__(
        self, path: Path | None, stages: Sequence[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Replace what an earlier piece of work left; without a path no file is written."""
        self._path, self._clock = path, clock
        self._stages = {name: Stage(name) for name in stages}
        self._version: int | None = None
        self._error = ""
        self._written = -math.inf
        self.write()

    @property
    def progress(self) -> Progress:
        """What the file says, or will say after the next `write`."""
        return Progress(tuple(self._stages.values()), self._version, self._error)

    def __getitem__(self, name: str) -> Stage:
        return self._stages[name]

    def set_version(self, number: int) -> None:
        """Say which model version is made."""
        self._version = number
        self.write()

    def update(self, name: str, **changes: Any) -> None:
        """Change attributes of a stage; the file follows within a second if updates go on, else with `write`."""
        self._stages[name] = replace(self._stages[name], **changes)
        if self._clock() - self._written >= WRITE_SECONDS:
            self.write()

    def skip(self, name: str, why: str) -> None:
        """Note that a stage has nothing to do."""
        self.update(name, state=State.SKIPPED, detail=why)
        self.write()

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Note that a stage runs inside the block; an exception makes it FAILED, an interruption STOPPED."""
        self.update(name, state=State.RUNNING, started=_now(), ended=None, detail="")
        self.write()
        state = State.DONE
        try:
            yield
        except BaseException as error:
            state = State.FAILED if isinstance(error, Exception) else State.STOPPED
            self._error = str(error) if isinstance(error, Exception) else ""
            raise
        finally:
            self.update(name, state=state, ended=_now(), seconds_left=None)
            self.write()

    def write(self) -> None:
        """Write the file now."""
        if self._path is None:
            return
        self._written = self._clock()
        try:
            write_json(self._path, {"format": FORMAT, **asdict(self.progress)})
        except FileError as error:  # a full disk is for whoever writes results to report
            _log.debug("%s", error)


class ProgressBar:
    """A bar on a terminal, and the file that PREANNOTATE_PROGRESS names; a context manager.

    Nothing is drawn where standard error is not a terminal.
    """

    def __init__(self, total: int, unit: str, label: str | None = None) -> None:
        """Begin at 0."""
        self._bar = tqdm(total=total, unit=unit, desc=label, file=sys.stderr, disable=None)
        path = os.environ.get(VARIABLE)
        self._writer = ProgressWriter(Path(path) if path else None, [unit])
        self._unit, self._done = unit, 0
        self._writer.update(unit, state=State.RUNNING, started=_now(), total=total, done=0, unit=unit)
        self._writer.write()

    def update(self, count: int = 1) -> None:
        """Count so many more as done."""
        self._bar.update(count)
        self._done += count
        self._writer.update(self._unit, done=self._done)

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        self._writer.update(self._unit, state=State.DONE, ended=_now())
        self._writer.write()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
