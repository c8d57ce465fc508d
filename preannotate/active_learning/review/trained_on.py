"""Which images a model was trained on: it agrees with what it has learnt, so mistakes on these are hard to find.

A function says in `model.json` which run it is of; the run holds the sha256 of each image. Runs are looked for where
`train` and `run` put them, and taken only if they are the very one.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from builder.function_directory import FunctionDirectory
from runtime.errors import ManifestError
from runtime.manifest import Manifest

_KEYS = ("created", "dataset")


def images_trained_on(function: FunctionDirectory, run: Path | None) -> frozenset[str] | None:
    """sha256 of each image that a function was trained on.

    Args:
        function: The function.
        run: Its run, or a folder of an earlier place; None looks in the usual ones.

    Returns:
        None if its run is not found.
    """
    for folder in _places(function, run):
        if _is_of(folder, function):
            try:
                samples = json.loads((folder / "data" / "train.json").read_text(encoding="utf-8"))["samples"]
                return frozenset(str(sample["content"]) for sample in samples)
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return None


def _places(function: FunctionDirectory, run: Path | None) -> Iterator[Path]:
    """Where the run may be, the likeliest first."""
    if run is not None:
        yield run
        return
    named = function.path.parent.resolve()  # functions/NAME
    yield named.parent.parent / "run"  # beside it in a workspace: versions/3/function/NAME
    versions = named.parent.parent / "models" / named.name / "versions"  # published: WORKSPACE/functions/NAME
    yield from sorted(versions.glob("*/run"), reverse=True)
    trained = str(function.manifest.provenance.get("run") or "")
    if trained and "/" not in trained and trained not in (".", ".."):
        yield Path("runs") / trained
        yield named.parent.parent / "runs" / trained


def _is_of(run: Path, function: FunctionDirectory) -> bool:
    try:
        exported = Manifest.read(run / "export").provenance
    except (ManifestError, OSError):
        return False
    wanted = function.manifest.provenance
    return all(key in wanted and exported.get(key) == wanted[key] for key in _KEYS)
