"""Is a function directory what was trained, and will nuclio and CVAT take it?

First what can be seen without running it, then the proof; the figures go into `parity.json` in the directory.
"""

import importlib.util
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder import static_check
from builder.errors import BuildError, CheckFailed
from builder.function_directory import find_function_directory
from builder.proof import prove

PARITY_FILE = "parity.json"
VALIDATION_FOLDER = "validation"
# Module and the extra of this project that brings it.
_NEEDED = {"openvino": "build", "nuclio_sdk": "build", "pycocotools": "build"}


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        directory: functions/NAME/nuclio.
        problems: Sentences; none if the function may be deployed.
        notes: Sentences; what was not checked, and what a person should know.
        figures: See `builder.proof`; empty if the directory could not be run.
    """

    directory: Path
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the function may be deployed."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """The content of `parity.json`: nothing in it depends on where the directory lies."""
        return {
            "verdict": "passed" if self.ok else "failed",
            "problems": list(self.problems),
            "notes": list(self.notes),
            **self.figures,
        }

    def raise_if_failed(self) -> None:
        """Raise CheckFailed with the first problem and the number of the others."""
        if self.ok:
            return
        others = f" ({len(self.problems) - 1} more problems)" if len(self.problems) > 1 else ""
        raise CheckFailed(f"{self.problems[0]}{others}")


def check(function_dir: Path, validation: Path | None = None) -> Report:
    """Check a function directory and write its `parity.json`.

    Args:
        function_dir: functions/NAME or functions/NAME/nuclio.
        validation: The frozen validation images; None takes the folder that `build` put beside it.

    Raises:
        BuildError: It could not run: no such directory, a package is missing, a variant does not start.
    """
    directory = find_function_directory(function_dir)
    problems, notes = static_check.problems(directory), static_check.notes(directory)
    figures: dict[str, Any] = {}
    if not problems:  # a broken directory does not run, and its first words are the useful ones
        _require_packages()
        proof = prove(directory, validation or directory.parent / VALIDATION_FOLDER)
        problems, figures = list(proof.problems), proof.figures
        notes += proof.notes
    report = Report(directory, tuple(problems), tuple(notes), figures)
    _write(directory / PARITY_FILE, report)
    return report


def _require_packages() -> None:
    for package, extra in _NEEDED.items():
        if importlib.util.find_spec(package) is None:
            raise BuildError(
                f"{package}: not installed; expected it for checking. Install it with: "
                f"pip install 'preannotate[{extra}]'."
            )


def _write(path: Path, report: Report) -> None:
    text = json.dumps(report.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    handle, draft = tempfile.mkstemp(prefix=".parity.", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(draft).chmod(0o644)
    Path(draft).replace(path)
