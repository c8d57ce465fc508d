"""Whether to train again: pure functions of what was trained on, what CVAT has, and the time.

Only completed jobs count. CVAT notes a change of a job at each save of its annotations, so a job counts as new if it
is completed and was not, or is completed and was changed since.
"""

from dataclasses import dataclass, replace

from preannotate.jobs.watch_state import CompletedJobs, FailedRun, WatchState

# A run that failed because CVAT was not there is begun so often.
ATTEMPTS = 3


@dataclass(frozen=True)
class RetrainPolicy:
    """What the user chose.

    Attributes:
        new_jobs: How many are worth a training.
        quiet: Seconds without another change before it begins.
        every: Seconds between two looks at CVAT.
    """

    new_jobs: int = 1
    quiet: float = 300.0
    every: float = 600.0


@dataclass(frozen=True)
class Decision:
    """What to do now.

    Attributes:
        run: Begin a run.
        why: One line for people.
        wait: Seconds until there is something to decide again, if CVAT tells nothing before.
    """

    run: bool
    why: str
    wait: float = 0.0


def new_jobs(trained: CompletedJobs, now: CompletedJobs) -> tuple[int, ...]:
    """Numbers of the jobs that are completed and were not trained on as they are now."""
    return tuple(sorted(number for number, moment in now.items() if trained.get(number) != moment))


def jobs_polled(state: WatchState, now: CompletedJobs, clock: float) -> WatchState:
    """The state after a look at CVAT."""
    if now == state.seen:
        return state
    return replace(state, seen=now, changed=clock)


def decide(state: WatchState, policy: RetrainPolicy, clock: float) -> Decision:
    """What to do after a look.

    Args:
        state: After `looked`.
        policy: The user's.
        clock: Seconds since 1970.
    """
    if state.began is not None:
        return Decision(True, "the run before did not come to its end")
    fresh = new_jobs(state.trained, state.seen)
    if len(fresh) < policy.new_jobs:
        return Decision(False, f"{_jobs(fresh)}; {policy.new_jobs} are worth a training", policy.every)
    if state.failed is not None and state.failed.jobs == state.seen:
        return _after_failure(state.failed, policy, clock)
    # A clock that was set back must not make anybody wait for long.
    rest = min(state.changed + policy.quiet - clock, policy.quiet)
    if rest > 0:
        return Decision(False, f"{_jobs(fresh)}; waiting whether more come", min(rest, policy.every))
    return Decision(True, _jobs(fresh))


def run_started(state: WatchState) -> WatchState:
    """A run begins."""
    return replace(state, began=state.seen)


def run_done(state: WatchState, *, version: int, pulled: CompletedJobs | None) -> WatchState:
    """A run came to its end.

    What was seen when it began was pulled by it, and what is in the pull as well: of two moments the later one is
    known. (Moments are ISO 8601 of one server, so they compare as text.)

    Args:
        state: While it was at work.
        version: Highest finished one.
        pulled: Completed jobs in the latest pull; None if it cannot be told.
    """
    jobs = dict(state.began or {})
    for number, moment in (pulled or {}).items():
        jobs[number] = max(moment, jobs.get(number, ""))
    return replace(state, version=version, trained=jobs, began=None, failed=None)


def run_failed(state: WatchState, clock: float, *, again: bool) -> WatchState:
    """A run came to nothing.

    Args:
        state: While it was at work.
        clock: Seconds since 1970.
        again: Whether another attempt may help.
    """
    jobs = state.began or {}
    before = state.failed.attempts if state.failed is not None and state.failed.jobs == jobs else 0
    return replace(state, began=None, failed=FailedRun(jobs, clock, before + 1, again))


def is_given_up(failure: FailedRun) -> bool:
    """Whether nothing is tried any more until something changes: the moment to tell somebody."""
    return not failure.again or failure.attempts >= ATTEMPTS


def _after_failure(failure: FailedRun, policy: RetrainPolicy, clock: float) -> Decision:
    if is_given_up(failure):
        return Decision(False, "the run failed; waiting until something changes", policy.every)
    rest = min(failure.at + policy.every - clock, policy.every)
    if rest > 0:
        return Decision(False, "the run failed; trying again", rest)
    return Decision(True, f"attempt {failure.attempts + 1} of {ATTEMPTS}")


def _jobs(fresh: tuple[int, ...]) -> str:
    if not fresh:
        return "no newly completed job"
    shown = ", ".join(map(str, fresh[:10])) + (", …" if len(fresh) > 10 else "")
    return f"{len(fresh)} newly completed job{'' if len(fresh) == 1 else 's'} ({shown})"
