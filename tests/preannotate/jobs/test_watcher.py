"""The whole watch against a stand-in of CVAT, with a fake in place of `preannotate run`."""

import asyncio
import logging
import os
import signal
import threading
import time
from dataclasses import replace

import pytest
from support import watched_run
from support.cvat_stand_in import FakeJob, FakeTask
from support.watched_run import order, runs, version_made

from preannotate.core.progress import State
from preannotate.jobs import watcher as module
from preannotate.jobs.database import Database
from preannotate.jobs.job_poller import JobPoller
from preannotate.jobs.queue import RunQueue, RunSource
from preannotate.jobs.retrain_policy import RetrainPolicy, read_watch_state
from preannotate.jobs.supervisor import Supervisor
from preannotate.jobs.watch_command import watched_request
from preannotate.jobs.watcher import Watcher, WatchTask
from preannotate.pipeline.run_request import write_run_request
from preannotate.registry.workspace import Workspace

NEWER = "2026-11-02T12:00:00.000000Z"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "POLL_RUN_SECONDS", 0.02)


class Watch:
    """A watch that a test drives: `look` polls once, `until` lets it go on meanwhile."""

    def __init__(self, watched, **policy):
        self.workspace, self.told = Workspace(watched), []
        self.model = self.workspace.existing("boards")
        self.policy = RetrainPolicy(**{"quiet": 0.0, "every": 0.05} | policy)
        self.queue = RunQueue(Database(self.workspace.database), self.workspace)

    @property
    def state(self):
        return read_watch_state(self.model.path / "watch.json")

    def _watcher(self, *, once):
        def watched():
            return watched_request(self.model)

        supervisor = Supervisor(
            self.queue, may_start=lambda run: run.source == RunSource.WATCH, command=watched_run.COMMAND
        )
        task = WatchTask(self.model, watched, self.policy, self.told.append, once)
        return Watcher(task, self.queue, supervisor, JobPoller(watched().login()))

    def look(self):
        """Once; the exit code."""
        return asyncio.run(self._watcher(once=True).watch(asyncio.Event()))

    def until(self, reached, *, meanwhile=lambda watcher: None, seconds=20):
        """Watch until something holds; the exit code."""

        async def watch():
            stop, watcher = asyncio.Event(), self._watcher(once=False)
            watching = asyncio.create_task(watcher.watch(stop))
            meanwhile(watcher)
            end = time.monotonic() + seconds
            while not reached() and time.monotonic() < end:
                await asyncio.sleep(0.02)
            assert reached()
            stop.set()
            return await watching

        return asyncio.run(watch())


@pytest.fixture
def watch(watched):
    return Watch(watched)


def complete(cvat, number, updated=NEWER, state="completed"):
    """Somebody completes a job (or only saves it)."""
    (job,) = [job for job in cvat.tasks[12].jobs if job.id == number]
    job.state, job.updated = state, updated


def test_a_job_that_is_completed_is_trained_on_once(cvat, watch, watched):
    assert watch.look() == 0
    assert len(runs(watched)) == 1

    assert watch.look() == 0
    assert len(runs(watched)) == 1

    complete(cvat, 41)
    order(watched, cvat)
    assert [watch.look() for _ in range(2)] == [0, 0]
    assert len(runs(watched)) == 2
    assert [message.title for message in watch.told] == [
        "boards: version 1 is ready, mAP50 0.900, mAP 0.500",
        "boards: version 2 is ready, mAP50 0.900, mAP 0.500",
    ]
    assert watch.state.trained == {40: "2026-11-02T10:00:00.000000Z", 41: NEWER}


def test_a_save_without_completion_is_no_reason(cvat, watch, watched):
    watch.look()
    complete(cvat, 41, state="in progress")

    watch.look()
    assert len(runs(watched)) == 1


def test_a_completed_job_that_was_mended_is_a_reason(cvat, watch, watched):
    watch.look()
    complete(cvat, 40)
    order(watched, cvat)

    watch.look()
    assert len(runs(watched)) == 2


def test_what_was_trained_on_before_anybody_watched_is_known(cvat, watch, watched):
    jobs = {"40": ["completed", "2026-11-02T10:00:00.000000Z"], "41": ["in progress", "…"]}
    version_made(watch.model.path, 1, jobs)

    assert watch.look() == 0
    assert runs(watched) == []


def test_a_run_by_hand_counts(cvat, watch, watched):
    watch.look()
    complete(cvat, 41)
    version_made(watch.model.path, 2, {"40": ["completed", "2026-11-02T10:00:00.000000Z"], "41": ["completed", NEWER]})

    watch.look()
    assert len(runs(watched)) == 1


@pytest.mark.parametrize("frames", [{"projects": (3,)}, {"jobs": (40, 41)}])
def test_projects_and_jobs(cvat, watch, watched, frames):
    write_run_request(watch.model.run_request, replace(watched_request(watch.model), tasks=(), **frames))

    watch.look()

    assert watch.state.seen == {40: "2026-11-02T10:00:00.000000Z"}
    assert len(runs(watched)) == 1


def test_a_task_that_a_run_by_hand_adds_is_watched_from_then_on(cvat, watched):
    watch = Watch(watched)

    def add(_):
        cvat.add(FakeTask(13, cvat.tasks[12].images, cvat.tasks[12].labels, [FakeJob(50, 0, 3, state="completed")]))
        write_run_request(watch.model.run_request, replace(watched_request(watch.model), tasks=(12, 13)))

    watch.until(lambda: 50 in watch.state.seen, meanwhile=add)


def test_an_asked_for_that_is_damaged_is_said_and_mended(cvat, watched, caplog):
    watch = Watch(watched)
    whole = watch.model.run_request.read_text()

    def break_and_mend(_):
        watch.model.run_request.write_text("{")
        threading.Timer(0.5, lambda: watch.model.run_request.write_text(whole)).start()

    watch.until(lambda: watch.told, meanwhile=break_and_mend)

    assert [record.message for record in caplog.records if "not JSON" in record.message]


def test_a_session_that_ran_out_is_no_problem(cvat, watch, watched, caplog):
    if cvat.new:
        pytest.skip("an access token makes no session")
    caplog.set_level(logging.INFO)
    poller = JobPoller(watched_request(watch.model).login())
    poller.completed(watched_request(watch.model))
    cvat.fail("/api/tasks", "status", status=401, times=1)
    cvat.fail("/api/jobs", "status", status=401, times=1)

    assert poller.completed(watched_request(watch.model)) == {40: "2026-11-02T10:00:00.000000Z"}


def test_jobs_that_are_votes_do_not_count(cvat, watch, watched):
    cvat.tasks[12].jobs[0].type = "consensus_replica"

    watch.look()
    assert watch.state.seen == {}
    assert runs(watched) == []


def test_it_waits_for_quiet_and_a_restart_does_not_begin_the_wait_anew(cvat, watched):
    watch = Watch(watched, quiet=3600.0)
    watch.look()
    changed = watch.state.changed

    watch.look()

    assert watch.state.changed == changed
    assert runs(watched) == []
    assert Watch(watched, quiet=0.0).look() == 0
    assert len(runs(watched)) == 1


def test_a_delivery_makes_the_next_look_come_sooner(cvat, watched):
    watch = Watch(watched, every=3600.0)
    watch.look()
    order(watched, cvat)

    def deliver_three_times(watcher):
        def later():
            time.sleep(0.3)
            complete(cvat, 41)
            order(watched, cvat)
            for _ in range(3):
                loop.call_soon_threadsafe(watcher.poll_now.set)

        loop = asyncio.get_running_loop()
        threading.Thread(target=later).start()

    assert watch.until(lambda: len(watch.told) == 2, meanwhile=deliver_three_times) == 0
    assert len(runs(watched)) == 2


def test_a_failed_run_is_told_once_and_repeated_when_something_changed(cvat, watch, watched):
    order(watched, cvat, code=2, error="train: no boxes; expected some. Annotate.")

    assert [watch.look() for _ in range(3)] == [2, 0, 0]
    assert [(message.title, message.text) for message in watch.told] == [
        ("boards: the run failed", "train: no boxes; expected some. Annotate.")
    ]
    complete(cvat, 41)
    order(watched, cvat)
    assert watch.look() == 0
    assert watch.told[-1].title == "boards: version 1 is ready, mAP50 0.900, mAP 0.500"


def test_a_run_that_failed_in_its_pull_is_tried_again_before_anybody_is_told(cvat, watched):
    watch = Watch(watched)
    order(watched, cvat, code=2, stage="pull", error="CVAT: 502; expected an answer.")

    watch.until(lambda: len(watch.told) == 1)

    assert len(runs(watched)) == 3
    assert watch.told[0].text == "CVAT: 502; expected an answer."


def test_a_version_that_is_not_better_is_told_and_not_repeated(cvat, watch, watched):
    watch.look()
    complete(cvat, 41)
    order(watched, cvat, code=1, map50=0.8)

    assert [watch.look() for _ in range(2)] == [1, 0]
    assert watch.told[-1].title == "boards: version 2 is not published, mAP50 0.800, mAP 0.500"


def test_a_version_that_was_taken_back_is_left_alone_and_not_told_again(cvat, watch, watched):
    watch.look()
    complete(cvat, 40)
    order(watched, cvat, code=1, version=False)

    assert [watch.look() for _ in range(2)] == [1, 0]
    assert len(watch.told) == 1


def test_a_run_that_failed_after_it_published_is_gone_on_with(cvat, watched):
    watch = Watch(watched)
    order(watched, cvat, code=2, stage="annotate", version=True, error="CVAT: 502; expected an answer.")

    watch.until(lambda: len(watch.told) == 1)

    assert len(runs(watched)) == 3
    assert watch.told[0].text == "CVAT: 502; expected an answer."


def test_a_run_that_found_nothing_new_is_not_told(cvat, watch, watched):
    watch.look()
    complete(cvat, 40)
    order(watched, cvat, version=False)

    assert [watch.look() for _ in range(2)] == [0, 0]
    assert len(runs(watched)) == 2
    assert len(watch.told) == 1


def test_cvat_away_is_said_once_and_then_that_it_is_back(cvat, watch, watched, caplog):
    caplog.set_level(logging.INFO)
    cvat.fail("/api/jobs", "status", status=503, times=12)  # three looks with four attempts each

    watch.until(lambda: watch.told)

    said = [record.message for record in caplog.records if "503" in record.message or "again" in record.message]
    assert said == [
        f"{cvat.url}: 503 for jobs of task 12, CVAT failed; expected a response. Look for the cause with "
        f"`docker logs --tail 100 cvat_server`. Run the same command again to continue. Polling again every 0.05 s.",
        "CVAT responds again.",
    ]


def test_once_without_cvat(cvat, watch, watched):
    cvat.fail("/api/", "status", status=502)

    assert watch.look() == 2
    assert runs(watched) == []


def test_a_stop_ends_the_run_in_order_and_the_next_watch_goes_on(cvat, watch, watched):
    order(watched, cvat, seconds=30)

    assert watch.until(lambda: runs(watched)) == 0

    assert watch.state.started == {40: "2026-11-02T10:00:00.000000Z"}
    assert watch.told == []
    order(watched, cvat)
    assert watch.look() == 0
    assert len(runs(watched)) == 2
    assert [message.title for message in watch.told] == ["boards: version 1 is ready, mAP50 0.900, mAP 0.500"]


def test_a_run_that_the_system_kills_is_told(cvat, watch, watched):
    order(watched, cvat, seconds=30)

    def kill(_):
        def later():
            while not runs(watched):
                time.sleep(0.02)
            os.kill(runs(watched)[0]["process"], signal.SIGKILL)

        threading.Thread(target=later).start()

    watch.until(lambda: watch.told, meanwhile=kill)

    assert watch.told[0].failed
    assert "ended by the system (SIGKILL)" in watch.told[0].text
    assert len(runs(watched)) == 1


def test_nothing_is_started_while_somebody_elses_run_works_on_the_model(cvat, watch, watched):
    with watch.model.locked():
        assert watch.look() == 2
        assert runs(watched) == []

    assert watch.look() == 0
    assert len(runs(watched)) == 1


def test_a_run_waits_for_that_of_another_model(cvat, watch, watched, caplog):
    """As the web interface has started it."""
    caplog.set_level(logging.INFO)
    other = watch.queue.add(replace(watched_request(watch.model), name="other"), source=RunSource.STUDIO)
    watch.queue.claim_next(lambda run: run.id == other, lambda run, running: "")

    def end_it(_):
        threading.Timer(0.3, lambda: watch.queue.end(other, State.DONE)).start()

    watch.until(lambda: watch.told, meanwhile=end_it)

    assert [(run.source, run.state) for run in watch.queue.list()] == [("watch", "done"), ("studio", "done")]


def test_a_run_that_outlived_its_watch_is_followed_by_the_next(cvat, watch, watched):
    """As after `kill -9` of the watch."""
    order(watched, cvat, seconds=1)
    request = replace(watched_request(watch.model), name="boards")
    number = watch.queue.add(request, source=RunSource.WATCH)
    watch._watcher(once=True)._supervisor.step()

    assert watch.look() == 0
    assert [run.id for run in watch.queue.list()] == [number]
    assert len(runs(watched)) == 1


def test_a_run_that_is_stopped_by_somebody_else_is_not_repeated(cvat, watch, watched):
    order(watched, cvat, seconds=30)

    def stop_it(_):
        def later():
            while not runs(watched):
                time.sleep(0.02)
            watch.queue.stop(1)

        threading.Thread(target=later).start()

    watch.until(lambda: watch.told, meanwhile=stop_it)

    assert watch.told[0].title == "boards: the run was stopped"
    assert len(runs(watched)) == 1


def test_a_run_gets_no_secret_of_webhooks_and_mail(watch, watched, monkeypatch):
    for name in ("PREANNOTATE_SMTP_PASSWORD", "PREANNOTATE_WEBHOOK_SECRET", "PREANNOTATE_WEBHOOK_URL"):
        monkeypatch.setenv(name, "x" * 20)

    watch.look()

    assert runs(watched)[0]["secrets"] == []


def test_the_log_of_a_run_goes_to_stderr(cvat, watch, watched, capsys):
    watch.look()

    assert capsys.readouterr().err.endswith("the fake run is at work\n")
