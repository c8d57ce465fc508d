"""Runs: the list, one run with its progress, and stopping, resuming and deleting it."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, PlainTextResponse, Response

from preannotate.core.progress import State
from preannotate.jobs.errors import JobError
from preannotate.jobs.live_progress import read_live_progress
from preannotate.jobs.processes import END_FILE, PROCESS_FILE
from preannotate.jobs.queue import LOG, PROGRESS, Run, RunSource
from preannotate.pipeline.run_request import RunRequest
from preannotate.studio.errors import PageError
from preannotate.studio.web.access.headers import RESULT_POLICY
from preannotate.studio.web.charts import charts
from preannotate.studio.web.page_request import PageRequest, go_to

# Of a log that a page or a download shows.
_LOG_BYTES = 4 * 1024 * 1024


def show_all(request: PageRequest) -> Response:
    """All runs."""
    runs = request.services.queue.list()
    groups = {
        "Running": [run for run in runs if run.state == State.RUNNING],
        "Waiting": [run for run in reversed(runs) if run.state == State.WAITING],
        "Finished": [run for run in runs if run.state.is_over],
    }
    active = any(not run.state.is_over for run in runs)
    return request.page(
        "runs.html",
        groups={
            name: [(run, read_live_progress(run) if run.state == State.RUNNING else None) for run in group]
            for name, group in groups.items()
        },
        empty=not runs,
        active=active,
    )


def show(request: PageRequest) -> Response:
    """One run."""
    return request.page("run.html", **_context(request))


def _context(request: PageRequest) -> dict[str, Any]:
    run = _run(request)
    now, active = read_live_progress(run), not run.state.is_over
    return {
        "run": run,
        "live": now,
        # A training that is over may have had less epochs than it meant to.
        "charts": charts(now.curve, (now.epochs or 0) if active else 0),
        "active": active,
        "position": request.services.queue.position(run.id) if run.state == State.WAITING else 0,
        "results": read_results(run) if run.state == State.DONE else None,
        "can_resume": run.state in (State.FAILED, State.STOPPED) and run.source != RunSource.COMMAND_LINE,
        "can_delete": run.state.is_over,
        "task_links": _task_links(run),
        "paused": request.query("paused"),
    }


def log(request: PageRequest) -> Response:
    """The log as text."""
    path = _run(request).folder / "log.txt"
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(file.tell() - _LOG_BYTES, 0))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
    return PlainTextResponse(text)


def result(request: PageRequest) -> Response:
    """A file that a review or a ranking wrote."""
    run, name = _run(request), request.path("file")
    path: Path | None = result_files(run).get(name)
    if path is None:
        raise PageError(
            404, "File not found", f"{name[:80]!r}: no such file of run {run.id}; expected one that its page lists."
        )
    if path.suffix == ".html":
        return FileResponse(path, media_type="text/html", headers={"content-security-policy": RESULT_POLICY})
    return FileResponse(path, media_type="text/plain", filename=path.name, content_disposition_type="attachment")


def stop(request: PageRequest) -> Response:
    """Stop a run."""
    run = _run(request)
    request.services.queue.stop(run.id)
    return go_to(f"/runs/{run.id}", done="stopping")


def resume(request: PageRequest) -> Response:
    """Put a run into the queue again."""
    run = _run(request)
    request.services.queue.resume(run.id)
    return go_to(f"/runs/{run.id}", done="resumed")


def ask_delete(request: PageRequest) -> Response:
    """Ask for confirmation."""
    run = _run(request)
    kept = f" Version {run.version} is kept if it is finished." if run.version else ""
    return request.confirm(
        f"Delete run {run.id} of {run.model_name}?",
        f"This deletes its log and any version that it started and did not finish.{kept} Nothing changes in CVAT.",
        action=f"/runs/{run.id}/delete",
        button="Delete run",
        back=f"/runs/{run.id}",
    )


def delete(request: PageRequest) -> Response:
    """Delete a run."""
    request.services.queue.delete(_run(request).id)
    return go_to("/runs", done="deleted")


def _run(request: PageRequest) -> Run:
    try:
        return request.services.queue.get(request.raw.path_params["run"])
    except JobError as error:
        raise PageError(404, "Run not found", str(error)) from error


def _task_links(run: Run) -> list[tuple[str, str]]:
    """(text, address in CVAT) of what it works on."""
    base = (run.request.cvat or "").rstrip("/")
    if not base.startswith(("http://", "https://")):
        return []
    tasks = [(f"task {number}", f"{base}/tasks/{number}") for number in run.request.tasks]
    projects = run.request.projects if isinstance(run.request, RunRequest) else ()
    return tasks + [(f"project {number}", f"{base}/projects/{number}") for number in projects]


_KINDS = (".csv", ".html", ".json", ".txt")
# Columns of the files that are shown, and their headings; the rest is in the file.
_HEADINGS = {
    "rank": "Rank", "link": "Link", "frame": "Frame", "text": "Disagreement", "reasons": "Reasons",
    "likelihood": "Likelihood", "uncertainty": "Uncertainty",
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


_RECENT = 5
_MODELS = 6


def show_home(request: PageRequest) -> Response:
    """Runs at work, what ended lately, and models."""
    everything = request.services.queue.list()
    active = [run for run in everything if not run.state.is_over]
    recent = [run for run in everything if run.state.is_over][:_RECENT]
    models = request.services.models.list()
    return request.page(
        "home.html",
        active=[(run, read_live_progress(run)) for run in reversed(active)],
        recent=recent,
        models=models[:_MODELS],
        more_models=max(len(models) - _MODELS, 0),
        servers=request.services.servers.list(),
    )
