"""When to train again: pure functions of what was trained on, what CVAT has, and the time.

Only completed jobs count. CVAT notes a change of a job at each save of its annotations, so a job counts as new if it
is completed and was not, or is completed and was changed since.
"""

from dataclasses import dataclass, replace

from preannotate.core.text import first_of, plural
from preannotate.jobs.watch_state import CompletedJobs, FailedRun, WatchState

# A run that failed because CVAT was not reachable is started so often.
ATTEMPTS = 3


@dataclass(frozen=True)
class RetrainPolicy:
    """When to train again.

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
    """What to do now.

    Attributes:
        run: Start a run.
        why: One line for people.
        wait: Seconds until the next decision, if no webhook comes before.
    """

    run: bool
    why: str
    wait: float = 0.0


def new_jobs(trained: CompletedJobs, now: CompletedJobs) -> tuple[int, ...]:
    """Return the numbers of completed jobs that were not trained on, or were changed since."""
    return tuple(sorted(number for number, changed in now.items() if trained.get(number) != changed))


def jobs_polled(state: WatchState, now: CompletedJobs, clock: float) -> WatchState:
    """Return the state after a poll of CVAT."""
    if now == state.seen:
        return state
    return replace(state, seen=now, changed=clock)


def decide(state: WatchState, policy: RetrainPolicy, clock: float) -> Decision:
    """Return what to do after a poll.

    Args:
        state: After `jobs_polled`.
        policy: Of the user.
        clock: Seconds since 1970.
    """
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
        version: The latest finished one; None if there is none.
        pulled: Completed jobs in the latest pull; None if they are not known.
    """
    jobs = dict(state.started or {})
    for number, changed in (pulled or {}).items():
        jobs[number] = max(changed, jobs.get(number, ""))
    return replace(state, version=version, trained=jobs, started=None, failed=None)


def run_failed(state: WatchState, clock: float, *, retry: bool) -> WatchState:
    """Return the state after a run that failed.

    Args:
        state: While it ran.
        clock: Seconds since 1970.
        retry: Whether another attempt may help.
    """
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
