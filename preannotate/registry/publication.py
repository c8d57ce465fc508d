"""Which version of a model CVAT lists: publish, unpublish, roll back.

Publishing copies a version to WORKSPACE/functions/NAME, which `preannotate serve` watches: it appears there at once.
With `nuctl`, `deploy.sh` has nuclio deploy it before, which needs Docker and nuctl.
`published.json` is the history, the latest at its end: `[{"version": 3, "at": "…", "deploy": "serve", "arguments": ""},
…]`; a version of null means that the model was unpublished. Rolling back publishes the version before.

Whoever publishes holds the model's lock: the functions with a name take it, `install` expects it.
"""

import contextlib
import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from builder.function_directory import FunctionDirectory
from preannotate.core.errors import PreannotateError
from preannotate.core.text import columns, format_score
from preannotate.registry import journal
from preannotate.registry.deploy_script import DeployArguments
from preannotate.registry.workspace import ModelFolder, VersionFolder, Workspace, WorkspaceError
from runtime.errors import ManifestError

_HEADER = ("MODEL", "VERSION", "CREATED", "NETWORK", "IMAGES", "MAP50", "MAP", "STATE")


class Deploy(StrEnum):
    """How CVAT gets a function; NONE leaves it unpublished."""

    SERVE = "serve"
    NUCTL = "nuctl"
    NONE = "none"


# How a function can be published.
DEPLOYMENTS = (Deploy.SERVE, Deploy.NUCTL)


@dataclass(frozen=True)
class Publication:
    """An entry of the history.

    Attributes:
        version: Number; None means that the model was unpublished.
        at: ISO 8601 with time zone.
        deploy: How; not `Deploy.NONE`.
        arguments: Of deploy.sh, as `DeployArguments.parse` reads them.
    """

    version: int | None
    at: str
    deploy: Deploy
    arguments: str = ""


def history(model: ModelFolder) -> list[Publication]:
    """Return all publications, the latest last.

    Raises:
        FileError: `published.json` is damaged.
        WorkspaceError: It has entries of another format.
    """
    if journal.is_interrupted(model.path):
        with contextlib.suppress(PreannotateError, OSError), model.locked(wait_seconds=0.0):
            pass  # taking the lock puts it in order; whoever holds it is publishing
    try:
        return [
            Publication(entry["version"], entry["at"], Deploy(entry["deploy"]), str(entry.get("arguments", "")))
            for entry in journal.read_entries(model.path, model.published_function)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise WorkspaceError(
            f"{model.publications}: {error!r}; expected entries with version, at and deploy. Remove the file."
        ) from error


def published(model: ModelFolder) -> Publication | None:
    """Return what CVAT lists now; None if nothing of this model is published."""
    entries = history(model)
    return entries[-1] if entries and entries[-1].version is not None else None


def published_version(model: ModelFolder) -> int | None:
    """Return the number of the version that CVAT lists now; None if there is none."""
    now = published(model)
    return None if now is None else now.version


def is_published(workspace: Workspace, version: VersionFolder, deploy: Deploy, arguments: str = "") -> bool:
    """Return whether CVAT lists this very version, deployed in this way, and its copy was not replaced by hand."""
    now = published(workspace.model(version.name))
    if now is None or (now.version, now.deploy, now.arguments) != (version.number, deploy, arguments):
        return False
    return _fingerprint(workspace.functions / version.name) == _fingerprint(version.function)


def was_withdrawn(model: ModelFolder, number: int) -> bool:
    """Return whether a version was published once, and somebody unpublished it or rolled back to an earlier one."""
    numbers = [entry.version for entry in history(model)]
    return number in numbers and (numbers[-1] is None or numbers[-1] < number)


def deploy_function(function: Path, deploy: Deploy, arguments: str = "") -> None:
    """Deploy the directory of a function with these arguments of deploy.sh; `serve` sees what is in place by itself."""
    if deploy == Deploy.NUCTL:
        DeployArguments.parse(arguments).deploy(function)


def publish(
    workspace: Workspace, name: str, number: int, *, deploy: Deploy = Deploy.SERVE, arguments: str = ""
) -> VersionFolder:
    """Publish a version in place of the one that CVAT lists now.

    Args:
        workspace: Of the model.
        name: Of the model.
        number: Of the version.
        deploy: Not `Deploy.NONE`.
        arguments: Of deploy.sh, see `DeployArguments.parse`.

    Raises:
        WorkspaceError: There is no such version, or it is not complete, or it could not be deployed.
        LockedError: A run works on the model.
    """
    with workspace.existing(name).locked():
        return install(workspace, name, number, deploy=deploy, arguments=arguments)


def install(workspace: Workspace, name: str, number: int, *, deploy: Deploy, arguments: str = "") -> VersionFolder:
    """Publish a version of a model whose lock the caller holds; see `publish`."""
    model = workspace.existing(name)
    version = model.version(number)
    if not version.complete:
        known = ", ".join(str(one.number) for one in model.versions() if one.complete) or "none"
        raise WorkspaceError(f"{model.path}: no finished version {number}; expected one of: {known}.")
    deploy_function(version.function, deploy, arguments)
    _record(model, version.function, number, deploy, arguments)
    return version


def unpublish(workspace: Workspace, name: str) -> None:
    """Withdraw the model from CVAT; its versions stay.

    Raises:
        WorkspaceError: It is not published, or could not be withdrawn.
        LockedError: A run works on the model.
    """
    model = workspace.existing(name)
    with model.locked():
        now = published(model)
        if now is None:
            raise WorkspaceError(f"{model.path}: is not published; expected a published version. Publish one first.")
        if now.deploy == Deploy.NUCTL:
            DeployArguments.parse(now.arguments).delete(name)
        _record(model, None, None, now.deploy, now.arguments)


def version_before(model: ModelFolder) -> int | None:
    """Return the version that `roll_back` would publish; None if there is none."""
    now = published_version(model)
    earlier = [entry.version for entry in history(model) if entry.version is not None]
    while earlier and earlier[-1] == now:
        earlier.pop()
    complete = [number for number in earlier if model.version(number).complete]
    return complete[-1] if complete else None


def roll_back(workspace: Workspace, name: str) -> VersionFolder:
    """Publish the version that was published before.

    Raises:
        WorkspaceError: There is none, or it could not be deployed.
        LockedError: A run works on the model.
    """
    model = workspace.existing(name)
    with model.locked():
        number = version_before(model)
        if number is None:
            raise WorkspaceError(
                f"{model.path}: no version was published before; expected one. Choose one: preannotate publish."
            )
        latest = history(model)[-1]
        return install(workspace, name, number, deploy=latest.deploy, arguments=latest.arguments)


def _fingerprint(function: Path) -> str:
    """Of the model; thresholds and labels may have been changed by hand since."""
    try:
        return FunctionDirectory(function / "nuclio").model_fingerprint
    except ManifestError:
        return ""


def _record(model: ModelFolder, source: Path | None, number: int | None, deploy: Deploy, arguments: str) -> None:
    """Put the function of a version in place, or withdraw it, and add that to the history."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    entries = [*history(model), Publication(number, now, deploy, arguments)]
    journal.put_in_place(source, model.published_function, model.path, [asdict(entry) for entry in entries])


def versions_as_json(models: Sequence[ModelFolder]) -> str:
    """Return all that `version.json` holds, and which version is published."""
    content = [
        {
            "name": model.name,
            "published": published_version(model),
            "versions": [
                {"number": version.number, "complete": version.complete, **version.record()}
                for version in model.versions()
            ],
        }
        for model in models
    ]
    return json.dumps(content, ensure_ascii=False, indent=1)


def versions_as_table(models: Sequence[ModelFolder]) -> str:
    """Return a line for each version, the newest last."""
    rows = [_row(model, version) for model in models for version in model.versions()]
    return columns([_HEADER, *rows]) if rows else "no versions yet; create one: preannotate run"


def _row(model: ModelFolder, version: VersionFolder) -> tuple[str, ...]:
    if not version.complete:
        return (model.name, str(version.number), "", "", "", "", "", "not finished")
    record = version.record()
    images = version.images()
    return (
        model.name,
        str(version.number),
        str(record.get("created") or "")[:16].replace("T", " "),
        str(record.get("model") or ""),
        f"{images.get('train', '?')}+{images.get('validation', '?')}",
        *map(format_score, version.scores()),
        "published" if version.number == published_version(model) else "",
    )
