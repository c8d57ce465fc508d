"""The folder in which models are trained again and again.

    WORKSPACE/models/NAME/run_request.json   what to pull, how to train, how to deploy
                         /dataset/           the pull, brought up to date by each run
                         /versions/3/run/    a training run
                         /versions/3/function/NAME/   what was built of it
                         /versions/3/version.json     how it scored, and what it was made from
                         /published.json     which version CVAT lists, and which it listed before (`publication`)
                         /publishing.json    only while that changes (`journal`)
                         /.lock              held while a run works on the model
    WORKSPACE/functions/NAME/                a copy of the published version: what `preannotate serve` watches
    WORKSPACE/jobs.sqlite, runs/ID/          the queue of runs; log and progress of each

All paths inside are relative, so that a workspace can be moved.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.function_yaml import check_name
from preannotate.core.drafts import clear_abandoned
from preannotate.core.errors import FileError, PreannotateError
from preannotate.core.files import read_json
from preannotate.core.locks import file_lock, is_locked
from preannotate.registry import journal


class WorkspaceError(PreannotateError, ValueError):
    """A workspace, a model or a version does not exist or is not in the state that an operation needs."""


# Child processes of a run that was killed end a moment after it.
LOCK_SECONDS = 3.0


class Workspace:
    """See the module; nothing is created before something is written."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @property
    def functions(self) -> Path:
        """The folder that `preannotate serve` watches."""
        return self.path / "functions"

    @property
    def database(self) -> Path:
        """The queue of runs and the settings of the web interface."""
        return self.path / "jobs.sqlite"

    def run_folder(self, run_id: int) -> Path:
        """Return the folder for log, progress and results of a run."""
        return self.path / "runs" / str(run_id)

    def model(self, name: str) -> "ModelFolder":
        """Return the folder of a model, whether or not it exists; raises BuildError if the name is not allowed."""
        check_name(name)
        return ModelFolder(self.path / "models" / name)

    def existing(self, name: str) -> "ModelFolder":
        """Return the folder of an existing model; raises WorkspaceError if there is no such model."""
        model = self.model(name)
        if not model.path.is_dir():
            known = ", ".join(repr(one.name) for one in self.models()) or "none"
            raise WorkspaceError(
                f"{self.path}: no model {name!r}; expected one of: {known}. Train one: preannotate run."
            )
        return model

    def models(self) -> list["ModelFolder"]:
        """Return all models by name."""
        folder = self.path / "models"
        return [ModelFolder(path) for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []


@dataclass(frozen=True)
class ModelFolder:
    """One model with its versions."""

    path: Path

    @property
    def name(self) -> str:
        """Of the model and of its function."""
        return self.path.name

    @property
    def run_request(self) -> Path:
        """What to pull, how to train, how to deploy (`pipeline.run_request`)."""
        return self.path / "run_request.json"

    @property
    def dataset(self) -> Path:
        """The pull."""
        return self.path / "dataset"

    @property
    def publications(self) -> Path:
        """Which version CVAT lists, and which it listed before."""
        return journal.history_file(self.path)

    @property
    def published_function(self) -> Path:
        """WORKSPACE/functions/NAME, the copy that `preannotate serve` watches, whether or not it exists."""
        return self.path.parents[1] / "functions" / self.name

    def version(self, number: int) -> "VersionFolder":
        """Return the folder of a version, whether or not it exists."""
        return VersionFolder(self.path / "versions" / str(number), self.name)

    def versions(self) -> list["VersionFolder"]:
        """Return all versions, the oldest first, including unfinished ones."""
        folder = self.path / "versions"
        names = (path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else ()
        return [self.version(number) for number in sorted(int(name) for name in names if name.isdecimal())]

    def latest_version(self) -> "VersionFolder | None":
        """Return the newest complete version; None if there is none."""
        return next((version for version in reversed(self.versions()) if version.complete), None)

    @contextmanager
    def locked(self, *, wait_seconds: float = LOCK_SECONDS) -> Iterator[int]:
        """Hold the model's lock, as whoever trains, builds or publishes it does; yield its descriptor for children.

        What a killed process left is put in order first: a publication is finished or undone, and drafts are removed.

        Raises:
            LockedError: Another process works on this model.
        """
        busy = f"{self.path}: another run works on this model; expected none. Wait for it, or stop it."
        with file_lock(self.path / ".lock", busy, wait_seconds=wait_seconds) as descriptor:
            journal.settle(self.path, self.published_function)
            clear_abandoned(self.path)
            yield descriptor

    @property
    def busy(self) -> bool:
        """Whether a process holds the model's lock."""
        return is_locked(self.path / ".lock")


@dataclass(frozen=True)
class VersionFolder:
    """One version of a model: the folder, whose name is the number, and the name of the model."""

    path: Path
    name: str

    @property
    def number(self) -> int:
        """Counts from 1."""
        return int(self.path.name)

    @property
    def run(self) -> Path:
        """The training run."""
        return self.path / "run"

    @property
    def function(self) -> Path:
        """The built function, as `functions/NAME`."""
        return self.path / "function" / self.name

    @property
    def record_file(self) -> Path:
        """Written when the version is built and verified."""
        return self.path / "version.json"

    @property
    def complete(self) -> bool:
        """Whether it can be published."""
        return self.record_file.is_file() and (self.function / "nuclio").is_dir()

    def record(self) -> dict[str, Any]:
        """Return the content of `version.json`; empty if the version is not finished."""
        content = read_json(self.record_file)
        if content is not None and not isinstance(content, dict):
            raise FileError(f"{self.record_file}: no JSON object; expected the record of a version. Remove the file.")
        return content or {}

    def scores(self) -> tuple[float | None, float | None]:
        """Return mAP50 and mAP from `version.json`; None for what is no number there."""
        record = self.record()
        map50, mean_ap = (_number(record.get(name)) for name in ("map50", "mean_ap"))
        return map50, mean_ap

    def mask_scores(self) -> tuple[float | None, float | None]:
        """Return mAP50 and mAP of masks from `version.json`; None of a function without."""
        record = self.record()
        map50, mean_ap = (_number(record.get(name)) for name in ("mask_map50", "mask_mean_ap"))
        return map50, mean_ap

    def images(self) -> dict[str, Any]:
        """Return the numbers of images, "train" and "validation", from `version.json`; empty if they are not there."""
        images = self.record().get("images")
        return images if isinstance(images, dict) else {}


def _number(value: Any) -> float | None:
    return value if type(value) in (int, float) and math.isfinite(value) else None
