"""What a watch must not forget: `watch.json` beside the versions of a model.

{"format": 1, "version": 3, "trained": {"40": "2026-11-27T10:00:00Z"}, "seen": {"40": "…", "41": "…"},
 "changed": 1795778838.2, "began": null, "failed": null}
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from preannotate.jobs.errors import WatchError
from preannotate.registry.workspace import read_json, write_json

FORMAT = 1
# Number of a completed job to the moment of its last change, as the server writes it.
CompletedJobs = dict[int, str]


@dataclass(frozen=True)
class FailedRun:
    """A run that came to nothing.

    Attributes:
        jobs: Completed jobs when it began.
        at: Seconds since 1970.
        attempts: How many came to nothing with these jobs.
        again: Whether another attempt may help: it was not the training that failed.
    """

    jobs: CompletedJobs
    at: float
    attempts: int
    again: bool


@dataclass(frozen=True)
class WatchState:
    """See the module.

    Attributes:
        version: Number of the last finished version that was taken notice of; 0 before there is one.
        trained: Completed jobs that went into it.
        seen: Completed jobs at the last look.
        changed: When `seen` became another, in seconds since 1970.
        began: Completed jobs when the run began that is at work, or was when the watch ended; None if none was.
        failed: The run after which nothing has changed.
    """

    version: int = 0
    trained: CompletedJobs = field(default_factory=dict)
    seen: CompletedJobs = field(default_factory=dict)
    changed: float = 0.0
    began: CompletedJobs | None = None
    failed: FailedRun | None = None


def read(path: Path) -> WatchState:
    """What the watch before left; a fresh one if there was none.

    Raises:
        WatchError: The file is not one of a watch.
        WorkspaceError: It holds no JSON.
    """
    content = read_json(path)
    if content is None:
        return WatchState()
    try:
        if content["format"] != FORMAT:
            raise ValueError(content["format"])
        failed, began = content["failed"], content["began"]
        return WatchState(
            int(content["version"]),
            _jobs(content["trained"]),
            _jobs(content["seen"]),
            float(content["changed"]),
            None if began is None else _jobs(began),
            None if failed is None else FailedRun(**failed | {"jobs": _jobs(failed["jobs"])}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WatchError(f"{path}: not what a watch leaves; expected format {FORMAT}. Remove the file.") from error


def write(path: Path, state: WatchState) -> None:
    """Keep it."""
    write_json(path, {"format": FORMAT, **asdict(state)})


def _jobs(content: dict[str, Any]) -> CompletedJobs:
    return {int(number): str(moment) for number, moment in content.items()}
