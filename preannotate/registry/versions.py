"""Which version a run makes: an earlier one with the same inputs, or the next number.

`inputs.json` stands in a version's folder from its beginning, `version.json` from its end. So a version that was
stopped is known by its inputs and gone on with, and one that is finished is not made again.
"""

import datetime
import shutil
from dataclasses import dataclass
from typing import Any

from builder.function_directory import FunctionDirectory
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import ModelFolder, VersionFolder, read_json, write_json

FORMAT = 1
_INPUTS = "inputs.json"


@dataclass(frozen=True)
class VersionChoice:
    """The version that a run is about.

    Attributes:
        version: There or about to be made.
        why: For people.
    """

    version: VersionFolder
    why: str


def choose(model: ModelFolder, inputs: str, *, restart: bool) -> VersionChoice:
    """The newest version with these inputs, finished or not; else a new one, begun by writing down its inputs.

    Args:
        model: With its versions.
        inputs: From `inputs.fingerprint`.
        restart: Make a new one all the same. One with the same inputs that is not finished is thrown away, unless it
            is from a restart itself: then the same command goes on.
    """
    same = [version for version in model.versions() if inputs_of(version) == inputs]
    newest = same[-1] if same else None
    if newest is not None and not newest.complete and (not restart or _begun(newest).get("restart")):
        return VersionChoice(newest, f"version {newest.number} goes on")
    if newest is not None and newest.complete and not restart:
        return VersionChoice(newest, f"nothing changed since version {newest.number}")
    for version in same:
        if not version.complete:
            shutil.rmtree(version.path)
    number = max((version.number for version in model.versions()), default=0) + 1
    version = model.version(number)
    write_json(version.path / _INPUTS, {"format": FORMAT, "inputs": inputs, "restart": restart})
    return VersionChoice(version, f"version {number} is new")


def inputs_of(version: VersionFolder) -> str:
    """The fingerprint that a version was begun with; "" if it says none."""
    return str(_begun(version).get("inputs", ""))


def _begun(version: VersionFolder) -> dict[str, Any]:
    content = read_json(version.path / _INPUTS)
    return content if isinstance(content, dict) else {}


def previous(model: ModelFolder, version: VersionFolder) -> VersionFolder | None:
    """The latest finished version before this one that has its training run."""
    finished = [one for one in model.versions() if one.complete and one.number < version.number]
    return finished[-1] if finished else None


def record(version: VersionFolder) -> dict[str, Any]:
    """Write `version.json` of a version that is built and proven; returns its content."""
    directory = FunctionDirectory.open(version.function)
    manifest = directory.manifest
    scores = served(version)
    content = {
        "format": FORMAT,
        "number": version.number,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": manifest.family,
        "map50": scores["map50"],
        "mean_ap": scores["mean_ap"],
        "labels": list(manifest.labels),
        "images": dict(manifest.provenance.get("images", {})),
        "fingerprint": directory.model_fingerprint,
        "inputs": inputs_of(version),
    }
    write_json(version.record_file, content)
    return content


def served(version: VersionFolder) -> dict[str, float]:
    """Scores of the built function's own answers on the frozen validation images.

    Raises:
        WorkspaceError: The function was not proven.
    """
    proof = FunctionDirectory.open(version.function).proof()
    if proof is None or "scores" not in proof.figures:
        raise WorkspaceError(
            f"{version.function}: its check measured nothing; expected the proof of a built function. Run again with "
            f"--restart."
        )
    return proof.figures["scores"]["served"]
