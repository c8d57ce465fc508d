"""The result files of a review or a ranking, in the folder of its run."""

import csv
from dataclasses import dataclass
from pathlib import Path

from preannotate.jobs.queue import LOG, PROGRESS, Run
from preannotate.jobs.run_supervisor import END_FILE, PROCESS_FILE

_KINDS = (".csv", ".html", ".json", ".txt")
# Columns of the files that are shown, and their headings; the rest is in the file.
_HEADINGS = {
    "rank": "Rank", "link": "Link", "frame": "Frame", "text": "Disagreement", "why": "Reason",
    "likelihood": "Likelihood", "doubt": "Uncertainty", "uncertainty": "Uncertainty",
}  # fmt: skip
# Of the run itself.
_OWN_FILES = (LOG, PROGRESS, PROCESS_FILE, END_FILE)
_MOST_ROWS = 100
_MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class RunResults:
    """Result files of a run, and the rows of its table.

    Attributes:
        files: Names, for links.
        page: Name of the HTML page among them; "" if there is none.
        header: Headings of the table.
        rows: Cells of the table; at most `_MOST_ROWS` rows.
        more: Number of rows that are not shown.
    """

    files: tuple[str, ...]
    page: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: int = 0


def result_files(run: Run) -> dict[str, Path]:
    """Return the result files of a run by name; no links, no hidden files, and not the log."""
    if not run.folder.is_dir():
        return {}
    found = (path for path in sorted(run.folder.iterdir()) if path.suffix in _KINDS and path.name not in _OWN_FILES)
    return {path.name: path for path in found if path.is_file() and not path.is_symlink() and path.name[0] != "."}


def read_results(run: Run) -> RunResults | None:
    """Read the results of a run; None if it wrote none."""
    found = {name: path for name, path in result_files(run).items() if not name.endswith(".json")}
    if not found:
        return None
    page = next((name for name in found if name.endswith(".html")), "")
    table = next((path for name, path in found.items() if name.endswith(".csv")), None)
    header, rows, more = _table(table) if table else ((), (), 0)
    return RunResults(tuple(found), page, header, rows, more)


def _table(path: Path) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], int]:
    if path.stat().st_size > _MOST_BYTES:
        return (), (), 0
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    known = tuple(rows[0]) if rows else ()
    names = tuple(name for name in _HEADINGS if name in known) or known
    shown = tuple(tuple(row[name] or "" for name in names) for row in rows[:_MOST_ROWS])
    return tuple(_HEADINGS.get(name, name) for name in names), shown, max(len(rows) - _MOST_ROWS, 0)
