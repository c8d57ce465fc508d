"""CSV files that are safe to open in a spreadsheet: no cell becomes a formula.

Names of images and labels may be anybody's. A text that begins like a formula gets an apostrophe in front, which
spreadsheets do not show.

Source: OWASP, "CSV injection".
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from preannotate.core.files import replacing

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Replace a file; UTF-8 with a mark, so that spreadsheets know."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([safe(value) for value in row] for row in rows)


def safe(value: object) -> object:
    """A cell; numbers stay numbers."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
