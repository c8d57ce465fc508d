"""What a run is doing: `progress.json`, written by the run and read by whoever shows it.

    {"format": 1, "process": 4711, "version": 3,
     "stages": [{"name": "pull", "state": "done", "began": "2026-11-27T10:00:00+00:00", "ended": "…", "detail": "…"}],
     "error": ""}

A stage is `waiting`, `running`, `done`, `skipped` (its inputs did not change), `failed` or `stopped`.
While `train` runs, the run directory of the version has the rest: `metrics.csv` (a row for each epoch), `pace.json`
(where it is, how long it will take) and `log.txt`.
"""

import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import read_json, write_json

FORMAT = 1
STAGES = ("pull", "train", "build", "check", "publish", "verify", "annotate")
WAITING, RUNNING, DONE, SKIPPED, FAILED, STOPPED = "waiting", "running", "done", "skipped", "failed", "stopped"


@dataclass
class Stage:
    """One step of a run.

    Attributes:
        name: One of `STAGES`.
        state: See the module.
        began: ISO 8601 with time zone; "" before.
        ended: The same.
        detail: One line for people, which may change while it runs: "120 of 400 frames".
    """

    name: str
    state: str = WAITING
    began: str = ""
    ended: str = ""
    detail: str = ""


@dataclass
class Progress:
    """The stages of a run.

    Attributes:
        path: `progress.json`.
        stages: In order.
        version: Number of the version that is made; 0 before there is one.
        error: The sentence that ended the run.
        process: Of the run.
    """

    path: Path
    stages: list[Stage] = field(default_factory=list)
    version: int = 0
    error: str = ""
    process: int = field(default_factory=os.getpid)

    @classmethod
    def begin(cls, path: Path, stages: Sequence[str]) -> "Progress":
        """Replace what an earlier run left."""
        progress = cls(path, [Stage(name) for name in stages])
        progress.write()
        return progress

    @classmethod
    def read(cls, path: Path) -> "Progress | None":
        """What the latest run said; None if there was none.

        Raises:
            WorkspaceError: The file is damaged.
        """
        content = read_json(path)
        if content is None:
            return None
        try:
            stages = [Stage(**stage) for stage in content["stages"]]
            return cls(path, stages, content["version"], content["error"], content["process"])
        except (KeyError, TypeError) as error:
            raise WorkspaceError(f"{path}: {error!r}; expected what a run writes. Remove the file.") from error

    def write(self, *, durable: bool = True) -> None:
        """Say how it is; `durable` as in `write_json`."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "process": self.process,
            "version": self.version,
            "stages": [asdict(stage) for stage in self.stages],
            "error": self.error,
        }
        write_json(self.path, content, durable=durable)

    def detail(self, name: str, text: str) -> None:
        """Change the line of a stage."""
        self._stage(name).detail = text
        self.write(durable=False)

    def skip(self, name: str, why: str) -> None:
        """A stage whose inputs did not change."""
        stage = self._stage(name)
        stage.state, stage.detail = SKIPPED, why
        self.write()

    @contextmanager
    def running(self, name: str) -> Iterator[Stage]:
        """The stage is at work inside; an exception makes it `failed`, an interruption `stopped`."""
        stage = self._stage(name)
        stage.state, stage.began, stage.detail = RUNNING, _now(), ""
        self.write()
        try:
            yield stage
        except BaseException as error:
            stage.state = FAILED if isinstance(error, Exception) else STOPPED
            self.error = str(error) if isinstance(error, Exception) else ""
            raise
        else:
            stage.state = DONE
        finally:
            stage.ended = _now()
            self.write()

    def _stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
