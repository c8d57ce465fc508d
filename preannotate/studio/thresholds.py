"""Scores from which detections count, changed in a function that is built.

The proof compares detections of all scores, so it holds whatever the thresholds are, and so does the score of the
version: only what CVAT gets to see changes.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from builder.check import PARITY_FILE
from preannotate.studio.errors import StudioError
from runtime.manifest import FILE_NAME, Manifest

# Files of one build are written within moments.
_SAME_TIME_SECONDS = 1.0


def changed(manifest: Manifest, value: float | Mapping[str, float], *, where: str) -> Manifest:
    """A manifest with other thresholds.

    Args:
        manifest: Of the function.
        value: For all labels; or label to value, for these only.
        where: For messages.

    Raises:
        StudioError: A value outside [0, 1], or an unknown label.
    """
    cut = manifest.postprocess
    if not isinstance(value, Mapping):
        every = _checked(value, where)
        cut = replace(cut, threshold=every, thresholds=(every,) * len(manifest.labels))
        return replace(manifest, postprocess=cut)
    for label in value:
        if label not in manifest.labels:
            known = ", ".join(manifest.labels)
            raise StudioError(f"{where}: no label {label!r}; expected one of: {known}.")
    pairs = zip(manifest.labels, cut.thresholds, strict=True)
    thresholds = tuple(_checked(value.get(label, before), f"{where}: label {label!r}") for label, before in pairs)
    return replace(manifest, postprocess=replace(cut, thresholds=thresholds))


def write(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest of a built function, the old one or the new one at any moment.

    Args:
        directory: functions/NAME/nuclio.
        manifest: As it was, but for thresholds.
    """
    holds = _is_proven(directory)
    temporary = directory / f".{FILE_NAME}.{os.getpid()}.new"
    manifest.write(temporary)
    temporary.replace(directory / FILE_NAME)
    if holds:  # `doctor` takes a proof that is older than what it is about for one of other files
        os.utime(directory / PARITY_FILE)


def _checked(value: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise StudioError(f"{where}: threshold {value!r}; expected a number in [0, 1].")
    return float(value)


def _is_proven(directory: Path) -> bool:
    """Whether the proof passed and no file is newer than it."""
    proof = directory / PARITY_FILE
    try:
        passed = json.loads(proof.read_text(encoding="utf-8"))["verdict"] == "passed"
        written = proof.stat().st_mtime + _SAME_TIME_SECONDS
        return passed and all(path.stat().st_mtime <= written for path in directory.iterdir() if path.is_file())
    except (OSError, ValueError, KeyError, TypeError):
        return False
