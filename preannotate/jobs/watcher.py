"""Look, decide, run, tell, wait: one after the other, until somebody stops it.

CVAT may be away meanwhile, and so may this program: `watch.json` says what was trained on and what was at work. A run
is a process of its own; while one is at work that somebody else began, nothing is begun.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from preannotate.core.errors import PreannotateError
from preannotate.jobs import retrain_policy, run_process, watch_state
from preannotate.jobs.watch_state import CompletedJobs, WatchState
from preannotate.jobs.watched_jobs import WatchedJobs, finished_version, pulled_jobs
from preannotate.notifications.message import Message
from preannotate.pipeline.notified_run import models_page
from preannotate.pipeline.outcomes import of_run
from preannotate.pipeline.progress import FAILED, Progress
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import ModelFolder

DONE, NOT_BETTER, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130
STATE = "watch.json"
# Where a run fails for reasons of its own; elsewhere CVAT, nuclio or the network may be what was away.
_HOPELESS = ("train", "build", "check")
# After a delivery, until what it tells is surely saved.
_SETTLE_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class Lookout(Protocol):
    """Where the completed jobs come from."""

    def completed(self, watched: WatchedJobs) -> CompletedJobs:
        """As `look.Cvat`."""

    def stop(self) -> None:
        """Do not try again what fails."""


@dataclass(frozen=True)
class Task:
    """What to watch, and what to do.

    Attributes:
        model: Its folder.
        watched: Gives its jobs, which another run by hand may change; raises PreannotateError if nobody knows.
        command: What runs it again.
        policy: When.
        tell: Told about the end of a run; may take its time.
        once: Look once, run if it is worth it, and end.
    """

    model: ModelFolder
    watched: Callable[[], WatchedJobs]
    command: Sequence[str]
    policy: retrain_policy.RetrainPolicy
    tell: Callable[[Message], object]
    once: bool = False


class Watcher:
    """See the module.

    Attributes:
        news: Set to look at CVAT now.
    """

    def __init__(self, task: Task, lookout: Lookout, clock: Callable[[], float] = time.time) -> None:
        """Read what the watch before left.

        Raises:
            WatchError, WorkspaceError: It cannot be read.
        """
        self._task = task
        self._lookout = lookout
        self._clock = clock
        self._path = task.model.path / STATE
        self._state = watch_state.read(self._path)
        self._said = self._problem = ""
        self.news = asyncio.Event()

    async def watch(self, stop: asyncio.Event) -> int:
        """Go on until `stop` is set; returns the exit code, with `once` that of the run."""
        while not stop.is_set():
            if not await self._look(stop):
                if self._task.once:
                    return COULD_NOT_RUN
                await self._wait(self._task.policy.every, stop)
                continue
            decision = retrain_policy.decide(self._state, self._task.policy, self._clock())
            self._say(decision, stop)
            if decision.run and not stop.is_set():
                code = await self._run(stop)
                if self._task.once:
                    return code
                if code is not None:
                    continue
            elif self._task.once:
                return DONE
            await self._wait(decision.wait or self._task.policy.every, stop)
        return DONE

    async def _look(self, stop: asyncio.Event) -> bool:
        """Bring the state up to date; whether CVAT answered."""
        self._take_notice()
        looking = asyncio.create_task(asyncio.to_thread(self._completed))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([looking, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not looking.done():
            self._lookout.stop()
        try:
            now = await looking
        except PreannotateError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _LOG.warning("%s Looking again every %g s.", error, self._task.policy.every)
            return False
        if self._problem:
            self._problem = ""
            _LOG.info("CVAT answers again.")
        self._keep(retrain_policy.jobs_polled(self._state, now, self._clock()))
        return True

    def _completed(self) -> CompletedJobs:
        return self._lookout.completed(self._task.watched())

    def _take_notice(self) -> None:
        """Of a version that somebody else's run finished, or ours while nobody watched."""
        version = finished_version(self._task.model)
        if version > self._state.version:
            self._keep(retrain_policy.run_done(self._state, version=version, pulled=pulled_jobs(self._task.model)))

    async def _run(self, stop: asyncio.Event) -> int | None:
        """Run to the end; returns the exit code, None if somebody else's run is at work."""
        model, before = self._task.model, self._state.version
        try:
            with model.locked():
                pass
        except WorkspaceError:
            _LOG.info("Another run works on this model: waiting for its end.")
            return COULD_NOT_RUN if self._task.once else None
        self._keep(retrain_policy.run_started(self._state))
        ended = await run_process.run(self._task.command, stop)
        if stop.is_set() and ended.code not in (DONE, NOT_BETTER):
            _LOG.info("The run was stopped; it goes on when the watch does.")
            return INTERRUPTED
        version, stage = finished_version(model), _failed_stage(model, ended.process)
        if ended.code == DONE or (ended.code == NOT_BETTER and stage == ""):
            self._keep(retrain_policy.run_done(self._state, version=version, pulled=pulled_jobs(model)))
            told = version > before
        else:
            again = ended.code == COULD_NOT_RUN and stage not in _HOPELESS
            self._keep(replace(retrain_policy.run_failed(self._state, self._clock(), again=again), version=version))
            told = retrain_policy.is_given_up(self._state.failed)
        message = of_run(model, ended.code, process=ended.process, error=ended.said, link=models_page(model))
        _LOG.log(logging.WARNING if message.failed else logging.INFO, "%s. %s", message.title, message.text)
        if told:
            await asyncio.to_thread(self._task.tell, message)
        return ended.code

    async def _wait(self, seconds: float, stop: asyncio.Event) -> None:
        """Until there is news, or it is time, or it is over."""
        waiting = [asyncio.create_task(self.news.wait()), asyncio.create_task(stop.wait())]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self.news.is_set():
            await asyncio.wait(waiting[1:], timeout=_SETTLE_SECONDS)
        for one in waiting:
            one.cancel()
        self.news.clear()

    def _say(self, decision: retrain_policy.Decision, stop: asyncio.Event) -> None:
        """What is the same as before is not said again."""
        if decision.why != self._said or decision.run:
            self._said = decision.why
            then = "training" if decision.run else f"next look by {_time(self._clock() + decision.wait)}"
            _LOG.info("%s: %s; %s.", self._task.model.name, decision.why, "done" if self._ends(decision) else then)

    def _ends(self, decision: retrain_policy.Decision) -> bool:
        return self._task.once and not decision.run

    def _keep(self, changed: WatchState) -> None:
        if changed != self._state:
            watch_state.write(self._path, changed)
            self._state = changed


def _failed_stage(model: ModelFolder, process: int) -> str | None:
    """Which stage of the run of this process failed; "" if none did, None if it did not come to any."""
    try:
        progress = Progress.read(model.progress)
    except WorkspaceError:
        return None
    if progress is None or progress.process != process:
        return None
    return next((stage.name for stage in progress.stages if stage.state == FAILED), "")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M:%S")
