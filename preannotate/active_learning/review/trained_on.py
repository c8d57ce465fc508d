"""Which images a model was trained on: it agrees with their annotations, so mistakes there are hard to find.

`model.json` names the training run of a function, and the run has the SHA-256 of each image. Runs are searched where
`train` and `run` write them, and used only if they are the run of this function.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from builder.function_directory import FunctionDirectory
from runtime.errors import ManifestError
from runtime.manifest import Manifest

_KEYS = ("created", "dataset")


def images_trained_on(function: FunctionDirectory, run: Path | None) -> frozenset[str] | None:
    """Return the SHA-256 of each image that a function was trained on; None if its run is not found.

    Args:
        function: The function.
        run: Its training run; None searches the usual places.
    """
    for folder in _run_folders(function, run):
        if _is_run_of(folder, function):
            try:
                samples = json.loads((folder / "data" / "train.json").read_text(encoding="utf-8"))["samples"]
                return frozenset(str(sample["content"]) for sample in samples)
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return None


def _run_folders(function: FunctionDirectory, run: Path | None) -> Iterator[Path]:
    """Where the run may be, the most likely first."""
    if run is not None:
        yield run
        return
    folder = function.path.parent.resolve()  # functions/NAME
    yield folder.parent.parent / "run"  # beside it in a workspace: versions/3/function/NAME
    versions = folder.parent.parent / "models" / folder.name / "versions"  # published: WORKSPACE/functions/NAME
    yield from sorted(versions.glob("*/run"), reverse=True)
    trained = str(function.manifest.provenance.get("run") or "")
    if trained and "/" not in trained and trained not in (".", ".."):
        yield Path("runs") / trained
        yield folder.parent.parent / "runs" / trained


def _is_run_of(run: Path, function: FunctionDirectory) -> bool:
    try:
        exported = Manifest.read(run / "export").provenance
    except (ManifestError, OSError):
        return False
    wanted = function.manifest.provenance
    return all(key in wanted and exported.get(key) == wanted[key] for key in _KEYS)
