"""Which version of a model CVAT sees: publish, unpublish, roll back.

Publishing copies a version to WORKSPACE/functions/NAME, which `preannotate serve` watches, or has nuclio deploy it.
`published.json` is the history, the latest at its end: `[{"version": 3, "at": "…", "deploy": "serve"}, …]`; a version
of null is the moment when the model was taken away. Rolling back publishes the version that was there before.
"""

import datetime
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from builder.function_directory import FunctionDirectory
from preannotate.registry.deployment import DEPLOYMENTS, SERVE
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import ModelFolder, VersionFolder, Workspace, read_json, write_json
from runtime.errors import ManifestError


@dataclass(frozen=True)
class Publication:
    """One line of the history.

    Attributes:
        version: Number; None took the model away.
        at: ISO 8601 with time zone.
        deploy: One of `deploying.DEPLOYMENTS`.
    """

    version: int | None
    at: str
    deploy: str


def history(model: ModelFolder) -> list[Publication]:
    """All publications, the latest at the end.

    Raises:
        WorkspaceError: `published.json` is damaged.
    """
    return [Publication(**entry) for entry in read_json(model.published) or []]


def published(model: ModelFolder) -> Publication | None:
    """What CVAT sees now; None if it sees nothing of this model."""
    entries = history(model)
    return entries[-1] if entries and entries[-1].version is not None else None


def is_published(workspace: Workspace, version: VersionFolder, deploy: str) -> bool:
    """Whether CVAT sees this very version, by this way, and nobody put another model into the folder."""
    now = published(workspace.model(version.name))
    if now is None or (now.version, now.deploy) != (version.number, deploy):
        return False
    return _fingerprint(workspace.functions / version.name) == _fingerprint(version.function)


def was_taken_back(model: ModelFolder, number: int) -> bool:
    """Whether a version was published once, and somebody took it away or went back to an earlier one."""
    numbers = [entry.version for entry in history(model)]
    return number in numbers and (numbers[-1] is None or numbers[-1] < number)


def publish(workspace: Workspace, name: str, number: int, *, deploy: str = SERVE) -> VersionFolder:
    """Let CVAT see a version in place of what it sees now.

    Args:
        workspace: Where the model is.
        name: Of the model.
        number: Of a complete version.
        deploy: One of `deploying.DEPLOYMENTS`.

    Raises:
        WorkspaceError: There is no such version, or it is not complete, or it could not be deployed.
    """
    model = workspace.existing(name)
    version = model.version(number)
    if not version.complete:
        known = ", ".join(str(one.number) for one in model.versions() if one.complete) or "none"
        raise WorkspaceError(f"{model.path}: no finished version {number}; expected one of: {known}.")
    _install(workspace, version)
    DEPLOYMENTS[deploy].publish(workspace.functions / name)
    _note(model, number, deploy)
    return version


def unpublish(workspace: Workspace, name: str) -> None:
    """Take the model away from CVAT; its versions stay.

    Raises:
        WorkspaceError: It is not published, or could not be taken away.
    """
    model = workspace.existing(name)
    now = published(model)
    if now is None:
        raise WorkspaceError(f"{model.path}: is not published; expected a version that CVAT sees. Publish one first.")
    DEPLOYMENTS[now.deploy].unpublish(workspace.functions / name)
    _remove(workspace, name)
    _note(model, None, now.deploy)


def version_before(model: ModelFolder) -> int | None:
    """The version that `roll_back` would publish; None if there is none."""
    now = published(model)
    earlier = [entry.version for entry in history(model) if entry.version is not None]
    if now is not None:
        while earlier and earlier[-1] == now.version:
            earlier.pop()
    complete = [number for number in earlier if model.version(number).complete]
    return complete[-1] if complete else None


def roll_back(workspace: Workspace, name: str) -> VersionFolder:
    """Publish the version that was there before.

    Raises:
        WorkspaceError: There is none, or it could not be deployed.
    """
    model = workspace.existing(name)
    number = version_before(model)
    if number is None:
        raise WorkspaceError(
            f"{model.path}: no version was published before; expected one. Name one: preannotate publish."
        )
    return publish(workspace, name, number, deploy=history(model)[-1].deploy)


def _fingerprint(function: Path) -> str:
    """Of the model; thresholds and labels may have been changed by hand since."""
    try:
        return FunctionDirectory(function / "nuclio").model_fingerprint
    except ManifestError:
        return ""


def _install(workspace: Workspace, version: VersionFolder) -> None:
    """Put a copy in place; `serve` sees the old one or the new one, and waits until a change is at rest."""
    target = workspace.functions / version.name
    fresh, old = target.with_name(f".{version.name}.new"), target.with_name(f".{version.name}.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(version.function, fresh)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _remove(workspace: Workspace, name: str) -> None:
    gone = workspace.functions / f".{name}.old"
    shutil.rmtree(gone, ignore_errors=True)
    if (target := workspace.functions / name).exists():
        target.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _note(model: ModelFolder, number: int | None, deploy: str) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    entries = [*history(model), Publication(number, now, deploy)]
    write_json(model.published, [asdict(entry) for entry in entries])
