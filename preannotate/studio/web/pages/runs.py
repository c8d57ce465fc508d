"""Runs: the home page, the list, one run with its progress and results, and stopping, resuming and deleting it."""

import csv
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import FileResponse, PlainTextResponse, Response

from preannotate.core.progress import State
from preannotate.jobs.exit_reasons import tail
from preannotate.jobs.live_progress import read_live_progress
from preannotate.jobs.processes import END_FILE, PROCESS_FILE
from preannotate.jobs.queue import LOG, PROGRESS, Run, RunSource
from preannotate.pipeline.run_request import RunRequest
from preannotate.studio.errors import PageError
from preannotate.studio.web.access.headers import RESULT_POLICY
from preannotate.studio.web.charts import charts
from preannotate.studio.web.page_request import PageRequest, found_or_404, go_to

_RESULT_SUFFIXES = (".csv", ".html", ".json", ".txt")
# Columns of the files that are shown, and their headings; the rest is in the file.
_HEADINGS = {
    "rank": "Rank", "link": "Link", "frame": "Frame", "text": "Disagreement", "reasons": "Reasons",
    "likelihood": "Likelihood", "uncertainty": "Uncertainty",
}  # fmt: skip
# Files of the run itself.
_OWN_FILES = (LOG, PROGRESS, PROCESS_FILE, END_FILE)
_MOST_ROWS = 100
_MOST_BYTES = 4 * 1024 * 1024
_RECENT_RUNS, _HOME_MODELS = 5, 6
# Of a log, at its end.
_LOG_BYTES = 4 * 1024 * 1024


def show_home(request: PageRequest) -> Response:
    """Current runs, recent runs, and models: the home page."""
    everything = request.services.queue.list()
    active = [run for run in everything if not run.state.is_over]
    recent = [run for run in everything if run.state.is_over][:_RECENT_RUNS]
    models = request.services.models.list()
    return request.page(
        "home.html",
        active=[(run, read_live_progress(run)) for run in reversed(active)],
        recent=recent,
        models=models[:_HOME_MODELS],
        more_models=max(len(models) - _HOME_MODELS, 0),
        servers=request.services.servers.list(),
    )


def show_all(request: PageRequest) -> Response:
    """All runs."""
    runs = request.services.queue.list()
    groups = {
        "Running": [(run, read_live_progress(run)) for run in runs if run.state == State.RUNNING],
        "Waiting": [(run, None) for run in reversed(runs) if run.state == State.WAITING],
        "Finished": [(run, None) for run in runs if run.state.is_over],
    }
    active = any(not run.state.is_over for run in runs)
    return request.page("runs.html", groups=groups, empty=not runs, active=active)


def show(request: PageRequest) -> Response:
    """One run."""
    run = _run(request)
    live, active = read_live_progress(run), not run.state.is_over
    return request.page(
        "run.html",
        run=run,
        live=live,
        # A training that is over may have stopped early.
        charts=charts(live.curve, (live.epochs or 0) if active else 0),
        active=active,
        position=request.services.queue.position(run.id) if run.state == State.WAITING else 0,
        results=_read_results(run) if run.state == State.DONE else None,
        can_resume=run.state in (State.FAILED, State.STOPPED) and run.source != RunSource.COMMAND_LINE,
        task_links=_task_links(run),
        paused=request.query("paused"),
    )


def log(request: PageRequest) -> Response:
    """The log as text."""
    return PlainTextResponse(tail(_run(request).folder / LOG, _LOG_BYTES))


def result(request: PageRequest) -> Response:
    """Return a result file of a review or a ranking."""
    run, name = _run(request), request.path("file")
    path = _result_files(run).get(name)
    if path is None:
        sentence = f"{name[:80]!r}: no such file of run {run.id}; expected one that its page lists."
        raise PageError(404, "File not found", sentence)
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
        button="Delete run",
    )


def delete(request: PageRequest) -> Response:
    """Delete a run."""
    request.services.queue.delete(_run(request).id)
    return go_to("/runs", done="deleted")


def _run(request: PageRequest) -> Run:
    return found_or_404("Run not found", request.services.queue.get, request.number("run"))


def _task_links(run: Run) -> list[tuple[str, str]]:
    """Return (text, URL in CVAT) of its tasks and projects."""
    base = (run.request.cvat or "").rstrip("/")
    if not base.startswith(("http://", "https://")):
        return []
    tasks = [(f"task {number}", f"{base}/tasks/{number}") for number in run.request.tasks]
    projects = run.request.projects if isinstance(run.request, RunRequest) else ()
    return tasks + [(f"project {number}", f"{base}/projects/{number}") for number in projects]


@dataclass(frozen=True)
class RunResults:
    """Result files of a review or a ranking, and the rows of its table.

    Attributes:
        files: Their names.
        page: Name of the HTML page among them; None if there is none.
        header: Headings of the table.
        rows: Cells of the table; at most `_MOST_ROWS` rows.
        more: Number of rows that are not shown.
    """

    files: tuple[str, ...]
    page: str | None
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: int = 0


def _result_files(run: Run) -> dict[str, Path]:
    """Return the result files of a run by name; no links, no hidden files, and not the log."""
    if not run.folder.is_dir():
        return {}
    found = (
        path for path in sorted(run.folder.iterdir()) if path.suffix in _RESULT_SUFFIXES and path.name not in _OWN_FILES
    )
    return {path.name: path for path in found if path.is_file() and not path.is_symlink() and path.name[0] != "."}


def _read_results(run: Run) -> RunResults | None:
    """Read the results of a run; None if it wrote none."""
    files = {name: path for name, path in _result_files(run).items() if not name.endswith(".json")}
    if not files:
        return None
    page = next((name for name in files if name.endswith(".html")), None)
    table = next((path for name, path in files.items() if name.endswith(".csv")), None)
    if table is None or table.stat().st_size > _MOST_BYTES:
        return RunResults(tuple(files), page)
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = tuple(rows[0]) if rows else ()
    columns = tuple(name for name in _HEADINGS if name in columns) or columns
    header = tuple(_HEADINGS.get(name, name) for name in columns)
    shown = tuple(tuple(row[name] or "" for name in columns) for row in rows[:_MOST_ROWS])
    return RunResults(tuple(files), page, header, shown, more=len(rows) - len(shown))
