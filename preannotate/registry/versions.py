"""Which version a run creates: an earlier one with the same inputs, or the next number.

`inputs.json` is written when a version is begun, `version.json` when it is finished. So an interrupted version is
found by its inputs and continued, and a finished one is not created again.
"""

import datetime
import shutil
from dataclasses import dataclass
from typing import Any

from builder.function_directory import FunctionDirectory
from preannotate.core.files import read_json, write_json
from preannotate.registry.workspace import ModelFolder, VersionFolder, WorkspaceError

FORMAT = 1
_INPUTS = "inputs.json"


@dataclass(frozen=True)
class VersionChoice:
    """The version that a run creates or finds: finished, begun or new; and a phrase that says why."""

    version: VersionFolder
    why: str


def choose_version(model: ModelFolder, inputs: str, *, restart: bool) -> VersionChoice:
    """Return the newest version with these inputs, finished or not; else a new one, whose inputs are recorded.

    `restart` creates a new version all the same. An unfinished one with the same `inputs` (from `inputs_fingerprint`)
    is removed, unless it is from a restart itself: then it is continued.
    """
    same = [version for version in model.versions() if inputs_of(version) == inputs]
    newest = same[-1] if same else None
    if newest is not None and not newest.complete and (not restart or _begun(newest).get("restart")):
        return VersionChoice(newest, f"continuing version {newest.number}")
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
    """Return the fingerprint that a version was begun with; "" if it has none."""
    return str(_begun(version).get("inputs", ""))


def _begun(version: VersionFolder) -> dict[str, Any]:
    content = read_json(version.path / _INPUTS)
    return content if isinstance(content, dict) else {}


def previous_version(model: ModelFolder, version: VersionFolder) -> VersionFolder | None:
    """Return the latest finished version before this one."""
    finished = [one for one in model.versions() if one.complete and one.number < version.number]
    return finished[-1] if finished else None


def record_version(version: VersionFolder) -> dict[str, Any]:
    """Write `version.json` of a version that is built; return its content. WorkspaceError if it was not verified."""
    directory = FunctionDirectory.open(version.function)
    manifest, proof = directory.manifest, directory.proof()
    if proof is None or "scores" not in proof.figures:
        raise WorkspaceError(
            f"{version.function}: its check measured nothing; expected the proof of a built function. Run again with "
            f"--restart."
        )
    scores = proof.figures["scores"]["served"]
    # Of an imported model without annotated images the proof measured agreement, which is no accuracy.
    measured = proof.figures.get("boxes") != 0
    of_masks = {name: value for name, value in scores.items() if name.startswith("mask_") and measured}
    content: dict[str, Any] = {
        "format": FORMAT,
        "number": version.number,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": manifest.family,
        "map50": scores["map50"] if measured else None,
        "mean_ap": scores["mean_ap"] if measured else None,
        **of_masks,
        "labels": list(manifest.labels),
        "images": dict(manifest.provenance.get("images", {})),
        "fingerprint": directory.model_fingerprint,
        "inputs": inputs_of(version),
    }
    write_json(version.record_file, content)
    return content
