"""Results per frame that stay on disk, so that a stopped command continues where it was.

One line of JSON for each frame, written as soon as it is known. The file is named by a digest of everything that its
results depend on: other images or another function have another file.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

FOLDER = ".cache"


class AnswerCache:
    """The kept results of one kind.

    Attributes:
        entries: Frame (relative number) to its result.
    """

    def __init__(self, output: Path, kind: str, depends_on: object) -> None:
        """Read what earlier commands kept; a line that was cut off is ignored.

        Args:
            output: Folder of the results.
            kind: Begins the name of the file.
            depends_on: JSON of everything that the results depend on.
        """
        text = json.dumps(depends_on, sort_keys=True)
        self._path = output / FOLDER / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}.jsonl"
        self.entries: dict[int, Any] = {}
        self._ends_with_newline = True
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return
        self._ends_with_newline = not lines[-1]
        for line in lines:
            try:
                frame, entry = json.loads(line)
                self.entries[int(frame)] = entry
            except (ValueError, TypeError):  # cut off by a kill
                continue

    def add(self, frame: int, entry: Any) -> None:
        """Keep the result of a frame."""
        self.entries[frame] = entry
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(("" if self._ends_with_newline else "\n") + json.dumps([frame, entry]) + "\n")
        self._ends_with_newline = True
