"""When to train again: pure functions of what was trained on, what CVAT has, and the time.

Only completed jobs count. CVAT notes a change of a job at each save of its annotations, so a job counts as new if it
is completed and was not, or is completed and was changed since. `watch.json` keeps the state between restarts:

{"format": 1, "version": 3, "trained": {"40": "2026-11-27T10:00:00Z"}, "seen": {"40": "…", "41": "…"},
 "changed": 1795778838.2, "started": null, "failed": null}
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from preannotate.core.files import read_json, write_json
from preannotate.core.text import first_of, plural
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
    """What is known about a watched model.

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
    """Return what an earlier watch kept, else a fresh state; WatchError or FileError if the file is damaged."""
    content = read_json(path)
    if content is None:
        return WatchState()
    try:
        if content["format"] != FORMAT:
            raise ValueError(content["format"])
        version, failed, started = content["version"], content["failed"], content["started"]
        return WatchState(
            None if version is None else int(version),
            _jobs_from_json(content["trained"]),
            _jobs_from_json(content["seen"]),
            float(content["changed"]),
            None if started is None else _jobs_from_json(started),
            None if failed is None else FailedRun(**failed | {"jobs": _jobs_from_json(failed["jobs"])}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WatchError(
            f"{path}: {error!r}; expected the state of a watch, format {FORMAT}. Remove the file."
        ) from error


def write_watch_state(path: Path, state: WatchState) -> None:
    """Keep a state."""
    write_json(path, {"format": FORMAT, **asdict(state)})


def _jobs_from_json(content: dict[str, Any]) -> CompletedJobs:
    return {int(number): str(moment) for number, moment in content.items()}


# A run that failed because CVAT was not reachable is started so often.
ATTEMPTS = 3


@dataclass(frozen=True)
class RetrainPolicy:
    """Settings of a watch.

    Attributes:
        new_jobs: How many newly completed jobs start a training.
        quiet: Seconds without another change before it starts.
        every: Polling interval, in seconds.
    """

    new_jobs: int = 1
    quiet: float = 300.0
    every: float = 600.0


@dataclass(frozen=True)
class Decision:
    """Whether to start a run, why (a line for people), and how many seconds to wait if no webhook comes before."""

    run: bool
    why: str
    wait: float = 0.0


def new_jobs(trained: CompletedJobs, now: CompletedJobs) -> tuple[int, ...]:
    """Return the numbers of completed jobs that were not trained on, or were changed since."""
    return tuple(sorted(number for number, changed in now.items() if trained.get(number) != changed))


def jobs_polled(state: WatchState, now: CompletedJobs, clock: float) -> WatchState:
    """Return the state after a poll of CVAT."""
    return state if now == state.seen else replace(state, seen=now, changed=clock)


def decide(state: WatchState, policy: RetrainPolicy, clock: float) -> Decision:
    """Return what to do with the state that `jobs_polled` returned; `clock` is in seconds since 1970."""
    if state.started is not None:
        return Decision(True, "the run before was interrupted")
    fresh = new_jobs(state.trained, state.seen)
    if len(fresh) < policy.new_jobs:
        return Decision(False, f"{_jobs(fresh)}; training starts at {policy.new_jobs}", policy.every)
    if state.failed is not None and state.failed.jobs == state.seen:
        return _after_failure(state.failed, policy, clock)
    # A clock that was set back must not delay a training for long.
    rest = min(state.changed + policy.quiet - clock, policy.quiet)
    if rest > 0:
        return Decision(False, f"{_jobs(fresh)}; waiting for more", min(rest, policy.every))
    return Decision(True, _jobs(fresh))


def run_started(state: WatchState) -> WatchState:
    """Return the state when a run starts."""
    return replace(state, started=state.seen)


def run_done(state: WatchState, *, version: int | None, pulled: CompletedJobs | None) -> WatchState:
    """Return the state after a run that succeeded.

    It has pulled what was seen when it started, and what is in the pull: of two times the later one counts. (They are
    ISO 8601 of one server, so they compare as text.)

    Args:
        state: While it ran.
        version: The latest finished version; None if there is none.
        pulled: Completed jobs in the latest pull; None if they are not known.
    """
    jobs = dict(state.started or {})
    for number, changed in (pulled or {}).items():
        jobs[number] = max(changed, jobs.get(number, ""))
    return replace(state, version=version, trained=jobs, started=None, failed=None)


def run_failed(state: WatchState, clock: float, *, retry: bool) -> WatchState:
    """Return the state after a run that failed; `retry`: another attempt may help."""
    jobs = state.started or {}
    before = state.failed.attempts if state.failed is not None and state.failed.jobs == jobs else 0
    return replace(state, started=None, failed=FailedRun(jobs, clock, before + 1, retry))


def is_given_up(failure: FailedRun) -> bool:
    """Return whether no attempt is made any more until something changes: then a message is due."""
    return not failure.retry or failure.attempts >= ATTEMPTS


def _after_failure(failure: FailedRun, policy: RetrainPolicy, clock: float) -> Decision:
    if is_given_up(failure):
        return Decision(False, "the run failed; waiting until something changes", policy.every)
    rest = min(failure.at + policy.every - clock, policy.every)
    if rest > 0:
        return Decision(False, "the run failed; trying again", rest)
    return Decision(True, f"attempt {failure.attempts + 1} of {ATTEMPTS}")


def _jobs(fresh: tuple[int, ...]) -> str:
    if not fresh:
        return "no newly completed jobs"
    return f"{plural(len(fresh), 'newly completed job')} ({first_of([str(number) for number in fresh], 10)})"
