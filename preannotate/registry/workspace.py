"""The folder in which models are trained again and again.

    WORKSPACE/models/NAME/asked.json        what to pull, how to train, how to deploy
                         /dataset/          the pull, brought up to date by each run
                         /versions/3/run/   a training run
                         /versions/3/function/NAME/   what was built of it
                         /versions/3/version.json     how it scored, and from what it was made
                         /progress.json     the stages of the latest run (`progress`)
                         /published.json    which version CVAT sees, and which it saw (`publishing`)
                         /.lock             held while a run is at work
    WORKSPACE/functions/NAME/               a copy of the published version: what `preannotate serve` watches

All paths inside are relative, so that a workspace can be moved.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.function_yaml import check_name
from preannotate.registry.errors import WorkspaceError

DEFAULT = Path("workspace")
LOCK_SECONDS = 3.0


class Workspace:
    """See the module; nothing is made before something is written.

    Attributes:
        path: Of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @property
    def functions(self) -> Path:
        """What `preannotate serve` watches."""
        return self.path / "functions"

    def model(self, name: str) -> "ModelFolder":
        """The folder of a model, there or not.

        Raises:
            BuildError: CVAT and nuclio cannot take the name.
        """
        check_name(name)
        return ModelFolder(self.path / "models" / name)

    def existing(self, name: str) -> "ModelFolder":
        """The folder of a model that is there.

        Raises:
            WorkspaceError: It is not.
        """
        model = self.model(name)
        if not model.path.is_dir():
            known = ", ".join(repr(one.name) for one in self.models()) or "none"
            raise WorkspaceError(
                f"{self.path}: no model {name!r}; expected one of: {known}. Start one: preannotate run."
            )
        return model

    def models(self) -> list["ModelFolder"]:
        """All that are there, by name."""
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
    def asked(self) -> Path:
        """What to pull, how to train, how to deploy."""
        return self.path / "asked.json"

    @property
    def dataset(self) -> Path:
        """The pull."""
        return self.path / "dataset"

    @property
    def progress(self) -> Path:
        """The stages of the latest run."""
        return self.path / "progress.json"

    @property
    def published(self) -> Path:
        """Which version CVAT sees, and which it saw."""
        return self.path / "published.json"

    def version(self, number: int) -> "VersionFolder":
        """A version, there or not."""
        return VersionFolder(self.path / "versions" / str(number), self.name)

    def versions(self) -> list["VersionFolder"]:
        """All that are there, the oldest first; those too that are not finished."""
        folder = self.path / "versions"
        names = (path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else ()
        return [self.version(number) for number in sorted(int(name) for name in names if name.isdecimal())]

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Nobody else works on this model meanwhile; ends with the process at the latest.

        What a run started ends a moment after a run that was killed: so long is waited.

        Yields:
            Descriptor of the lock, for child processes that hold it as well.

        Raises:
            WorkspaceError: Somebody does.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor, self.path)
            yield descriptor
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class VersionFolder:
    """One version of a model.

    Attributes:
        path: Of the folder; its name is the number.
        name: Of the model.
    """

    path: Path
    name: str

    @property
    def number(self) -> int:
        """From 1 on."""
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
        """Written when the version is built and proven."""
        return self.path / "version.json"

    @property
    def complete(self) -> bool:
        """Whether it can be published."""
        return self.record_file.is_file() and (self.function / "nuclio").is_dir()

    def record(self) -> dict[str, Any]:
        """The content of `version.json`; empty if the version is not finished."""
        return read_json(self.record_file) or {}


def _lock(descriptor: int, path: Path) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise WorkspaceError(
                    f"{path}: another run works on this model; expected none. Wait for it, or stop it."
                ) from error
        time.sleep(0.1)


def read_json(path: Path) -> Any:
    """The content of a file; None if it is not there.

    Raises:
        WorkspaceError: It holds no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise WorkspaceError(f"{path}: holds no JSON ({error}); expected it whole. Remove the file.") from error


def write_json(path: Path, content: Any, *, durable: bool = True) -> None:
    """Replace a file: at any moment it is the old one or the new one.

    Args:
        path: Of the file; its folder is made.
        content: Plain values.
        durable: Also after a power cut; what changes every second need not be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(json.dumps(content, ensure_ascii=False, indent=1) + "\n")
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
