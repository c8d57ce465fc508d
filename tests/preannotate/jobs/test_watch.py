"""The whole watch against a stand-in of CVAT, with a fake in place of `preannotate run`."""

import asyncio
import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from support.cvat_stand_in import FakeJob, FakeTask
from watch_fake_run import order, runs, version_made

from preannotate.jobs import run_process
from preannotate.jobs.job_poller import JobPoller
from preannotate.jobs.retrain_policy import RetrainPolicy
from preannotate.jobs.watch_state import read
from preannotate.jobs.watched_jobs import read_asked
from preannotate.jobs.watcher import Task, Watcher
from preannotate.registry.workspace import Workspace

FAKE = (sys.executable, str(Path(__file__).with_name("fake_run.py")))
NEWER = "2026-11-02T12:00:00.000000Z"


class Watch:
    """A watch that a test drives: `look` looks once, `until` lets it go on meanwhile."""

    def __init__(self, workspace, **policy):
        self.workspace, self.told = workspace, []
        self.model = Workspace(workspace).existing("boards")
        self.policy = RetrainPolicy(**{"quiet": 0.0, "every": 0.05} | policy)

    @property
    def state(self):
        return read(self.model.path / "watch.json")

    def _watcher(self, *, once):
        _, login = read_asked(self.model)
        command = (*FAKE, "run", "--workspace", str(self.workspace), "--name", "boards")
        return Watcher(
            Task(self.model, lambda: read_asked(self.model)[0], command, self.policy, self.told.append, once),
            JobPoller(login),
        )

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
def watch(workspace):
    return Watch(workspace)


def complete(cvat, number, updated=NEWER, state="completed"):
    """Somebody completes a job (or only saves it)."""
    (job,) = [job for job in cvat.tasks[12].jobs if job.id == number]
    job.state, job.updated = state, updated


def test_a_job_that_is_completed_is_trained_on_once(cvat, watch, workspace):
    assert watch.look() == 0
    assert len(runs(workspace)) == 1

    assert watch.look() == 0
    assert len(runs(workspace)) == 1

    complete(cvat, 41)
    order(workspace, cvat)
    assert [watch.look() for _ in range(2)] == [0, 0]
    assert len(runs(workspace)) == 2
    assert [message.title for message in watch.told] == [
        "boards: version 1 is ready, mAP50 0.90",
        "boards: version 2 is ready, mAP50 0.90",
    ]
    assert watch.state.trained == {40: "2026-11-02T10:00:00.000000Z", 41: NEWER}


def test_a_save_without_completion_is_no_reason(cvat, watch, workspace):
    watch.look()
    complete(cvat, 41, state="in progress")

    watch.look()
    assert len(runs(workspace)) == 1


def test_a_completed_job_that_was_mended_is_a_reason(cvat, watch, workspace):
    watch.look()
    complete(cvat, 40)
    order(workspace, cvat)

    watch.look()
    assert len(runs(workspace)) == 2


def test_what_was_trained_on_before_anybody_watched_is_known(cvat, watch, workspace):
    jobs = {"40": ["completed", "2026-11-02T10:00:00.000000Z"], "41": ["in progress", "…"]}
    version_made(watch.model.path, 1, jobs)

    assert watch.look() == 0
    assert runs(workspace) == []


def test_a_run_by_hand_counts(cvat, watch, workspace):
    watch.look()
    complete(cvat, 41)
    version_made(watch.model.path, 2, {"40": ["completed", "2026-11-02T10:00:00.000000Z"], "41": ["completed", NEWER]})

    watch.look()
    assert len(runs(workspace)) == 1


@pytest.mark.parametrize("watched", [{"projects": [3]}, {"jobs": [40, 41]}])
def test_projects_and_jobs(cvat, watch, workspace, watched):
    asked = json.loads(watch.model.asked.read_text()) | {"tasks": []} | watched
    watch.model.asked.write_text(json.dumps(asked))

    watch.look()

    assert watch.state.seen == {40: "2026-11-02T10:00:00.000000Z"}
    assert len(runs(workspace)) == 1


def test_a_task_that_a_run_by_hand_adds_is_watched_from_then_on(cvat, workspace):
    watch = Watch(workspace)
    asked = json.loads(watch.model.asked.read_text())

    def add(_):
        cvat.add(FakeTask(13, cvat.tasks[12].images, cvat.tasks[12].labels, [FakeJob(50, 0, 3, state="completed")]))
        watch.model.asked.write_text(json.dumps(asked | {"tasks": [12, 13]}))

    watch.until(lambda: 50 in watch.state.seen, meanwhile=add)


def test_an_asked_for_that_is_damaged_is_said_and_mended(cvat, workspace, caplog):
    watch = Watch(workspace)
    whole = watch.model.asked.read_text()

    def break_and_mend(_):
        watch.model.asked.write_text("{")
        threading.Timer(0.5, lambda: watch.model.asked.write_text(whole)).start()

    watch.until(lambda: watch.told, meanwhile=break_and_mend)

    assert [record.message for record in caplog.records if "holds no JSON" in record.message]


def test_a_session_that_ran_out_is_no_problem(cvat, watch, workspace, caplog):
    if cvat.new:
        pytest.skip("an access token makes no session")
    caplog.set_level(logging.INFO)
    lookout = JobPoller(read_asked(watch.model)[1])
    lookout.completed(read_asked(watch.model)[0])
    cvat.fail("/api/tasks", "status", status=401, times=1)
    cvat.fail("/api/jobs", "status", status=401, times=1)

    assert lookout.completed(read_asked(watch.model)[0]) == {40: "2026-11-02T10:00:00.000000Z"}


def test_jobs_that_are_votes_do_not_count(cvat, watch, workspace):
    cvat.tasks[12].jobs[0].type = "consensus_replica"

    watch.look()
    assert watch.state.seen == {}
    assert runs(workspace) == []


def test_it_waits_for_quiet_and_a_restart_does_not_begin_the_wait_anew(cvat, workspace):
    watch = Watch(workspace, quiet=3600.0)
    watch.look()
    changed = watch.state.changed

    watch.look()

    assert watch.state.changed == changed
    assert runs(workspace) == []
    assert Watch(workspace, quiet=0.0).look() == 0
    assert len(runs(workspace)) == 1


def test_a_delivery_makes_the_next_look_come_sooner(cvat, workspace):
    watch = Watch(workspace, every=3600.0)
    watch.look()
    order(workspace, cvat)

    def deliver_three_times(watcher):
        def later():
            time.sleep(0.3)
            complete(cvat, 41)
            order(workspace, cvat)
            for _ in range(3):
                loop.call_soon_threadsafe(watcher.news.set)

        loop = asyncio.get_running_loop()
        threading.Thread(target=later).start()

    assert watch.until(lambda: len(watch.told) == 2, meanwhile=deliver_three_times) == 0
    assert len(runs(workspace)) == 2


def test_a_failed_run_is_told_once_and_repeated_when_something_changed(cvat, watch, workspace):
    order(workspace, cvat, code=2, error="train: no boxes; expected some. Annotate.")

    assert [watch.look() for _ in range(3)] == [2, 0, 0]
    assert [(message.title, message.text) for message in watch.told] == [
        ("boards: the run failed", "train: no boxes; expected some. Annotate.")
    ]
    complete(cvat, 41)
    order(workspace, cvat)
    assert watch.look() == 0
    assert watch.told[-1].title == "boards: version 1 is ready, mAP50 0.90"


def test_a_run_that_failed_in_its_pull_is_tried_again_before_anybody_is_told(cvat, workspace):
    watch = Watch(workspace)
    order(workspace, cvat, code=2, stage="pull", error="CVAT: 502; expected an answer.")

    watch.until(lambda: len(watch.told) == 1)

    assert len(runs(workspace)) == 3
    assert watch.told[0].text == "CVAT: 502; expected an answer."


def test_a_version_that_is_not_better_is_told_and_not_repeated(cvat, watch, workspace):
    watch.look()
    complete(cvat, 41)
    order(workspace, cvat, code=1, map50=0.8)

    assert [watch.look() for _ in range(2)] == [1, 0]
    assert watch.told[-1].title == "boards: version 2 is not published, mAP50 0.80"


def test_a_version_that_was_taken_back_is_left_alone_and_not_told_again(cvat, watch, workspace):
    watch.look()
    complete(cvat, 40)
    order(workspace, cvat, code=1, version=False)

    assert [watch.look() for _ in range(2)] == [1, 0]
    assert len(watch.told) == 1


def test_a_run_that_failed_after_it_published_is_gone_on_with(cvat, workspace):
    watch = Watch(workspace)
    order(workspace, cvat, code=2, stage="annotate", version=True, error="CVAT: 502; expected an answer.")

    watch.until(lambda: len(watch.told) == 1)

    assert len(runs(workspace)) == 3
    assert watch.told[0].text == "CVAT: 502; expected an answer."


def test_a_run_that_found_nothing_new_is_not_told(cvat, watch, workspace):
    watch.look()
    complete(cvat, 40)
    order(workspace, cvat, version=False)

    assert [watch.look() for _ in range(2)] == [0, 0]
    assert len(runs(workspace)) == 2
    assert len(watch.told) == 1


def test_cvat_away_is_said_once_and_then_that_it_is_back(cvat, watch, workspace, caplog):
    caplog.set_level(logging.INFO)
    cvat.fail("/api/jobs", "status", status=503, times=12)  # three looks with four attempts each

    watch.until(lambda: watch.told)

    said = [record.message for record in caplog.records if "503" in record.message or "again." in record.message]
    assert said == [
        f"{cvat.url}: 503 for jobs of task 12, CVAT failed; expected a response. Look for the cause with "
        f"`docker logs --tail 100 cvat_server`. Run the same command again to continue. Looking again every 0.05 s.",
        "CVAT answers again.",
    ]


def test_once_without_cvat(cvat, watch, workspace):
    cvat.fail("/api/", "status", status=502)

    assert watch.look() == 2
    assert runs(workspace) == []


def test_a_stop_ends_the_run_in_order_and_the_next_watch_goes_on(cvat, watch, workspace):
    order(workspace, cvat, seconds=30)

    assert watch.until(lambda: runs(workspace)) == 0

    assert watch.state.began == {40: "2026-11-02T10:00:00.000000Z"}
    assert watch.told == []
    order(workspace, cvat)
    assert watch.look() == 0
    assert len(runs(workspace)) == 2
    assert [message.title for message in watch.told] == ["boards: version 1 is ready, mAP50 0.90"]


def test_a_run_that_does_not_stop_is_killed(monkeypatch):
    monkeypatch.setattr(run_process, "STOP_SECONDS", 0.2)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(30)"
    )

    async def main():
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.5, stop.set)
        return await run_process.run((sys.executable, "-c", code), stop)

    ended = asyncio.run(main())

    assert (ended.code, ended.said) == (128 + signal.SIGKILL, "deaf")


def test_a_run_that_the_system_kills_is_told(cvat, watch, workspace):
    order(workspace, cvat, seconds=30)

    def kill(_):
        def later():
            while not runs(workspace):
                time.sleep(0.02)
            os.kill(runs(workspace)[0]["process"], signal.SIGKILL)

        threading.Thread(target=later).start()

    watch.until(lambda: watch.told, meanwhile=kill)

    assert watch.told[0].failed
    assert watch.told[0].text == "the fake run is at work"
    assert len(runs(workspace)) == 1


def test_nothing_is_begun_while_somebody_elses_run_is_at_work(cvat, watch, workspace):
    with (watch.model.path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert watch.look() == 2
        assert runs(workspace) == []

    assert watch.look() == 0
    assert len(runs(workspace)) == 1


def test_a_run_gets_no_secret_of_webhooks_and_mail(watch, workspace, monkeypatch):
    for name in ("PREANNOTATE_SMTP_PASSWORD", "PREANNOTATE_WEBHOOK_SECRET", "PREANNOTATE_WEBHOOK_URL"):
        monkeypatch.setenv(name, "x" * 20)

    watch.look()

    assert runs(workspace)[0]["secrets"] == []


def test_words_of_a_run_go_on_to_stderr_and_a_long_line_breaks_nothing(capfd):
    code = "print('a' * 200_000); print('error: it broke'); print('bye')"

    ended = asyncio.run(run_process.run((sys.executable, "-c", code), asyncio.Event()))

    assert ended.said == "it broke"
    assert capfd.readouterr().err.endswith("error: it broke\nbye\n")
