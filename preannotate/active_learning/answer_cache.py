"""Answers that stay on disk: a line of JSON for each frame, written at once, so that a stopped command goes on.

The name of the file is made of all that the answers depend on: other images, another model, another file.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

FOLDER = ".asked"


class AnswerCache:
    """What is known about frames of a task.

    Attributes:
        entries: Frame (relative) to what was kept.
    """

    def __init__(self, output: Path, kind: str, depends_on: Any) -> None:
        """Read what an earlier command kept; a line that was cut off is forgotten.

        Args:
            output: Folder of the results.
            kind: Of the answers, for the name of the file.
            depends_on: JSON; answers for something else are elsewhere.
        """
        text = json.dumps(depends_on, sort_keys=True)
        self._path = output / FOLDER / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}.jsonl"
        self.entries: dict[int, Any] = {}
        self._whole = True
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return
        self._whole = not lines[-1]
        for line in lines:
            try:
                frame, entry = json.loads(line)
                self.entries[int(frame)] = entry
            except (ValueError, TypeError):  # the end of a command that was killed
                continue

    def keep(self, frame: int, entry: Any) -> None:
        """Keep what is found on a frame."""
        self.entries[frame] = entry
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(("" if self._whole else "\n") + json.dumps([frame, entry]) + "\n")
        self._whole = True
