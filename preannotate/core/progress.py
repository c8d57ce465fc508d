"""How far a long piece of work is: a bar on a terminal, and a file for a program that watches.

The file is the one that PREANNOTATE_PROGRESS names: `{"done": 12, "total": 400, "unit": "frame"}`, whole at any moment,
written at most once a second.
"""

import json
import os
import sys
import time
from pathlib import Path

from tqdm import tqdm

VARIABLE = "PREANNOTATE_PROGRESS"
_SECONDS = 1.0


class Bar:
    """Counts up to a total; a context manager.

    Nothing is drawn where no person looks.
    """

    def __init__(self, total: int, unit: str, what: str | None = None) -> None:
        """Begin at 0.

        Args:
            total: How much there is to do.
            unit: Of it, in the singular.
            what: Stands before the bar.
        """
        self._shown = tqdm(total=total, unit=unit, desc=what, file=sys.stderr, disable=None)
        self._file = Path(path) if (path := os.environ.get(VARIABLE)) else None
        self._done, self._total, self._unit, self._written = 0, total, unit, -_SECONDS
        self._write()

    def update(self, count: int = 1) -> None:
        """So much more is done."""
        self._shown.update(count)
        self._done += count
        self._write()

    def close(self) -> None:
        """Nothing more will be done."""
        self._shown.close()
        self._written = -_SECONDS
        self._write()

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        now = time.monotonic()
        if self._file is None or now - self._written < _SECONDS:
            return
        self._written = now
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}.new")
        content = {"done": self._done, "total": self._total, "unit": self._unit}
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(self._file)
