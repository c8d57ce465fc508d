"""Polls CVAT, decides, queues a run, follows it, sends a message, waits: one after the other, until it is stopped.

CVAT may be away meanwhile, and so may this program: `watch.json` keeps what was trained on and what was running. A run
is one of the workspace's queue, so it waits for runs that others have started, and everybody sees it.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from preannotate.core.child_process import CHECK_FAILED, INTERRUPTED
from preannotate.core.errors import PreannotateError
from preannotate.core.progress import State
from preannotate.jobs import retrain_policy
from preannotate.jobs.job_poller import JobPoller, pulled_jobs
from preannotate.jobs.queue import LOG, Run, RunQueue, RunSource
from preannotate.jobs.retrain_policy import WatchState, read_watch_state, write_watch_state
from preannotate.jobs.run_messages import models_page, run_message
from preannotate.jobs.supervisor import Supervisor
from preannotate.notifications.message import Message
from preannotate.pipeline.run_request import RunRequest
from preannotate.registry.workspace import ModelFolder

DONE, COULD_NOT_RUN = 0, 2
POLL_RUN_SECONDS = 0.5
# An error in these stages is one of the training; in others CVAT, nuclio or the network may have been away.
_NO_RETRY = ("train", "build", "check")
# After a delivery, until what it reports is surely saved.
_SETTLE_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class WatchTask:
    """What to watch, and what to do then.

    Attributes:
        watched: Returns the request whose jobs are watched, which a run by hand may change; raises PreannotateError.
        send: Sends a message about the end of a run; may take its time.
        once: Poll once, run if needed, and end.
    """

    model: ModelFolder
    watched: Callable[[], RunRequest]
    policy: retrain_policy.RetrainPolicy
    send: Callable[[Message], object]
    once: bool = False


class Watcher:
    """See the module; setting `poll_now` makes it poll CVAT at once."""

    def __init__(
        self,
        task: WatchTask,
        queue: RunQueue,
        supervisor: Supervisor,
        poller: JobPoller,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read the state that an earlier watch kept; raises WatchError or FileError if it cannot be read."""
        self._task, self._queue, self._supervisor = task, queue, supervisor
        self._poller, self._clock = poller, clock
        self._path = task.model.path / "watch.json"
        self._state = read_watch_state(self._path)
        self._logged = self._problem = ""
        self.poll_now = asyncio.Event()

    async def watch(self, stop: asyncio.Event) -> int:
        """Go on until `stop` is set; return the exit code, with `once` that of the run."""
        while not stop.is_set():
            if not await self._poll(stop):
                if self._task.once:
                    return COULD_NOT_RUN
                await self._wait(self._task.policy.every, stop)
                continue
            decision = retrain_policy.decide(self._state, self._task.policy, self._clock())
            self._log_decision(decision)
            if decision.run and not stop.is_set():
                code = await self._run(stop)
                if self._task.once:
                    return COULD_NOT_RUN if code is None else code
                if code is not None:
                    continue
            elif self._task.once:
                return DONE
            await self._wait(decision.wait or self._task.policy.every, stop)
        return DONE

    async def _poll(self, stop: asyncio.Event) -> bool:
        """Bring the state up to date; return whether CVAT responded."""
        self._notice_new_version()
        polling = asyncio.create_task(asyncio.to_thread(lambda: self._poller.completed(self._task.watched())))
        await _first(polling, stop.wait())
        if not polling.done():
            self._poller.stop()
        try:
            now = await polling
        except PreannotateError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _LOG.warning("%s Polling again every %g s.", error, self._task.policy.every)
            return False
        if self._problem:
            self._problem = ""
            _LOG.info("CVAT responds again.")
        self._keep(retrain_policy.jobs_polled(self._state, now, self._clock()))
        return True

    def _version(self) -> int | None:
        latest = self._task.model.latest_version()
        return None if latest is None else latest.number

    def _notice_new_version(self) -> None:
        """Note a version that another run has finished, or ours while nobody watched."""
        version = self._version()
        if version is not None and version > (self._state.version or 0):
            self._keep(retrain_policy.run_done(self._state, version=version, pulled=pulled_jobs(self._task.model)))

    async def _run(self, stop: asyncio.Event) -> int | None:
        """Queue a run, or find the run that an earlier watch has queued, and follow it.

        Returns:
            Its exit code; None if a run that somebody else has started works on the model.
        """
        model, before = self._task.model, self._state.version
        run = self._queued()
        if run is None and model.busy:
            _LOG.info("Another run works on this model: waiting for its end.")
            return None
        if run is None:
            request = replace(self._task.watched(), name=model.name, only_if_better=True)
            run = self._queue.get(self._queue.add(request, source=RunSource.WATCH))
        self._keep(retrain_policy.run_started(self._state))
        run = await self._until_over(run, stop)
        code = COULD_NOT_RUN if run.exit_code is None else run.exit_code
        if stop.is_set() and run.state == State.STOPPED:
            _LOG.info("The run was stopped; the next watch continues it.")
            return INTERRUPTED
        version, progress = self._version(), run.progress
        failed_stage = None if progress is None else progress.failed_stage or ""
        if code == DONE or (code == CHECK_FAILED and failed_stage == ""):
            self._keep(retrain_policy.run_done(self._state, version=version, pulled=pulled_jobs(model)))
            due = version != before
        else:
            retry = code == COULD_NOT_RUN and failed_stage not in _NO_RETRY and run.exit_code is not None
            state = retrain_policy.run_failed(self._state, self._clock(), retry=retry)
            self._keep(replace(state, version=version))
            due = state.failed is not None and retrain_policy.is_given_up(state.failed)
        message = run_message(run, self._queue.workspace, models_page(model))
        _LOG.log(logging.WARNING if message.failed else logging.INFO, "%s. %s", message.title, message.text)
        if due:
            await asyncio.to_thread(self._task.send, message)
        return code

    def _queued(self) -> Run | None:
        """Return the run of an earlier watch that has not ended."""
        waiting = (*self._queue.in_state(State.RUNNING), *self._queue.in_state(State.WAITING))
        name = self._task.model.name
        return next((run for run in waiting if run.source == RunSource.WATCH and run.model_name == name), None)

    async def _until_over(self, run: Run, stop: asyncio.Event) -> Run:
        """Follow a run to its end, and pass its log on to standard error; stop it when `stop` is set."""
        log, shown, waits_for = run.folder / LOG, 0, ""
        if run.state == State.WAITING and log.exists():
            shown = log.stat().st_size
        while not run.state.is_over:
            await asyncio.to_thread(self._supervisor.step)
            if stop.is_set():
                if not run.stopping:
                    self._queue.stop(run.id)
                await asyncio.sleep(POLL_RUN_SECONDS)
            else:
                await _first(asyncio.sleep(POLL_RUN_SECONDS), stop.wait())
            run = self._queue.get(run.id)
            shown = _pass_on(log, shown)
            if run.state == State.WAITING and run.error != waits_for:
                waits_for = run.error
                _LOG.info("Run %d %s", run.id, run.error)
        return run

    async def _wait(self, seconds: float, stop: asyncio.Event) -> None:
        """Wait so long, or until a webhook comes or `stop` is set."""
        await _first(asyncio.sleep(seconds), self.poll_now.wait(), stop.wait())
        if self.poll_now.is_set():
            await _first(asyncio.sleep(_SETTLE_SECONDS), stop.wait())
        self.poll_now.clear()

    def _log_decision(self, decision: retrain_policy.Decision) -> None:
        """Log a decision, unless it is the same as before."""
        if decision.why == self._logged and not decision.run:
            return
        self._logged = decision.why
        next_poll = datetime.fromtimestamp(self._clock() + decision.wait).astimezone()
        then = "training" if decision.run else "done" if self._task.once else f"next poll by {next_poll:%H:%M:%S}"
        _LOG.info("%s: %s; %s.", self._task.model.name, decision.why, then)

    def _keep(self, changed: WatchState) -> None:
        if changed != self._state:
            write_watch_state(self._path, changed)
            self._state = changed


async def _first(*awaitables: Awaitable[object]) -> None:
    """Wait for the first of several; the others are cancelled unless they are tasks of the caller."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, awaitable in zip(tasks, awaitables, strict=True):
        if task is not awaitable:
            task.cancel()


def _pass_on(log: Path, shown: int) -> int:
    """Copy what is new in a log to standard error; return how much is shown now."""
    try:
        with log.open("rb") as file:
            file.seek(shown)
            new = file.read()
    except OSError:
        return shown
    sys.stderr.write(new.decode("utf-8", "replace"))
    sys.stderr.flush()
    return shown + len(new)
