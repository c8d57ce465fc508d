"""What a watch keeps between restarts: `watch.json` beside the versions of a model.

{"format": 1, "version": 3, "trained": {"40": "2026-11-27T10:00:00Z"}, "seen": {"40": "…", "41": "…"},
 "changed": 1795778838.2, "started": null, "failed": null}
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from preannotate.core.files import read_json, write_json
from preannotate.jobs.errors import WatchError

FORMAT = 1
# Number of a completed job to the time of its last change, as the server writes it.
CompletedJobs = dict[int, str]


@dataclass(frozen=True)
class FailedRun:
    """A run that failed.

    Attributes:
        jobs: Completed jobs when it started.
        at: Seconds since 1970.
        attempts: How many runs failed with these jobs.
        retry: Whether another attempt may help: it was not the training that failed.
    """

    jobs: CompletedJobs
    at: float
    attempts: int
    retry: bool


@dataclass(frozen=True)
class WatchState:
    """See the module.

    Attributes:
        version: Number of the last finished version; None before there is one.
        trained: Completed jobs that it was trained on.
        seen: Completed jobs at the last poll.
        changed: When `seen` changed, in seconds since 1970.
        started: Completed jobs when the run started that has not ended yet; None if none runs.
        failed: The run after which nothing has changed.
    """

    version: int | None = None
    trained: CompletedJobs = field(default_factory=dict)
    seen: CompletedJobs = field(default_factory=dict)
    changed: float = 0.0
    started: CompletedJobs | None = None
    failed: FailedRun | None = None


def read_watch_state(path: Path) -> WatchState:
    """Return what the watch before kept; a fresh state if there was none.

    Raises:
        WatchError: The file is of another format.
        FileError: It is not JSON.
    """
    content = read_json(path)
    if content is None:
        return WatchState()
    try:
        if content["format"] != FORMAT:
            raise ValueError(content["format"])
        version, failed, started = content["version"], content["failed"], content["started"]
        return WatchState(
            None if version is None else int(version),
            _jobs(content["trained"]),
            _jobs(content["seen"]),
            float(content["changed"]),
            None if started is None else _jobs(started),
            None if failed is None else FailedRun(**failed | {"jobs": _jobs(failed["jobs"])}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WatchError(
            f"{path}: {error!r}; expected the state of a watch, format {FORMAT}. Remove the file."
        ) from error


def write_watch_state(path: Path, state: WatchState) -> None:
    """Keep a state."""
    write_json(path, {"format": FORMAT, **asdict(state)})


def _jobs(content: dict[str, Any]) -> CompletedJobs:
    return {int(number): str(moment) for number, moment in content.items()}
