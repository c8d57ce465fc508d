"""Runs as child processes: they end well, are refused, crash, are killed, ignore a stop, outlive their supervisor.

No supervisor has a thread here: a test calls `step` until what it waits for has happened.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support import supervised_run

from preannotate.core.files import write_json
from preannotate.core.locks import file_lock
from preannotate.core.progress import State
from preannotate.jobs import processes, supervisor
from preannotate.jobs.database import Database
from preannotate.jobs.errors import JobError
from preannotate.jobs.live_progress import read_live_progress
from preannotate.jobs.processes import RunProcess, this_process
from preannotate.jobs.queue import RunQueue, RunSource
from preannotate.jobs.supervisor import Supervisor
from preannotate.jobs.task_request import RunKind, TaskRequest

ROOT = Path(__file__).parents[3]
SECONDS = 60.0  # a busy machine takes its time to start an interpreter


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "functions")]))


def command_pid(folder):
    return json.loads((folder / processes.PROCESS_FILE).read_text())["process"]


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now


class Driver:
    """A supervisor, and steps of it until something has happened."""

    def __init__(self, queue, source=RunSource.STUDIO, **options):
        self.queue = queue
        self.supervisor = Supervisor(
            queue, may_start=lambda run: run.source == source, command=supervised_run.COMMAND, **options
        )

    def until(self, condition, what="nothing happened"):
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, what
            self.supervisor.step()
            time.sleep(0.02)

    def ended(self, number):
        self.until(lambda: self.queue.get(number).state.is_over, f"run {number} does not end")
        return self.queue.get(number)

    def training(self, number):
        """Wait until the fake trains."""
        self.until(lambda: read_live_progress(self.queue.get(number)).epoch == 2, "it does not train")
        return self.queue.get(number)

    def states(self, count=5):
        """Of all runs after some more steps."""
        for _ in range(count):
            self.supervisor.step()
        return {run.id: str(run.state) for run in self.queue.list()}


@pytest.fixture
def driver(queue):
    yield Driver(queue)
    for run in queue.in_state(State.RUNNING):
        with contextlib.suppress(Exception):
            if (process := queue.get(run.id).process) is not None and process != this_process():
                process.send_signal(signal.SIGKILL)


@pytest.fixture
def add(queue, training):
    def make(source=RunSource.STUDIO, machine=None, notify=False, **changes):
        return queue.add(training(**changes), source=source, machine=machine, notify=notify)

    return make


@pytest.fixture
def fake(monkeypatch):
    """What the fake run does."""
    return lambda what: monkeypatch.setenv("FAKE_RUN", what)


def log(run):
    return (run.folder / "log.txt").read_text()


def test_a_run_is_done(driver, add):
    run = driver.ended(add())

    assert (run.state, run.error, run.version, run.exit_code) == ("done", "", 1, 0)
    assert run.started <= run.ended
    seen = read_live_progress(run)
    assert [(stage.name, stage.state) for stage in seen.stages] == [
        ("pull", "done"), ("train", "done"), ("build", "waiting"),
    ]  # fmt: skip
    assert seen.fraction == 1.0
    assert log(run).endswith("done\n")


def test_the_command_is_the_request_and_has_no_secret(queue, home, training, monkeypatch, fake):
    fake("say")
    monkeypatch.setenv("PASS", "of the supervisor's own")
    monkeypatch.setenv("PREANNOTATE_SMTP_PASSWORD", "of the supervisor's own")
    driver = Driver(queue, environment=lambda run: {"CVAT_ACCESS_TOKEN": "t" * 20}, not_inherited=("PASS",))
    request = training(projects=(3,), arguments="epochs=4", annotate_rest=True, completed_jobs=True)
    number = queue.add(request, source=RunSource.STUDIO, machine="gpu:1")
    run = driver.ended(number)
    first, said, rest = log(run).splitlines()

    assert json.loads(said) == {
        "words": ["run", "--workspace", str(home.path), *request.to_argv()],
        "CVAT_ACCESS_TOKEN": "t" * 20,
        "PASS": None,
        "CUDA_VISIBLE_DEVICES": "1",
        "PREANNOTATE_SMTP_PASSWORD": None,
        "PREANNOTATE_RUN": str(number),
    }
    assert first.startswith("=== preannotate run --workspace ")
    assert "t" * 20 not in first
    assert rest == f"nice {min(os.nice(0) + 10, 19)}, in {number}"


def test_other_kinds_name_the_function(driver, queue, home, fake):
    fake("say")
    version = home.model("forklifts").version(2)
    (version.function / "nuclio").mkdir(parents=True)
    write_json(version.record_file, {"number": 2})
    request = TaskRequest(kind=RunKind.REVIEW, name="forklifts", task=12, version=2, top=9, issues=True)
    run = driver.ended(queue.add(request, source=RunSource.STUDIO, machine="cpu"))
    said = json.loads(log(run).splitlines()[1])

    assert said["words"] == request.to_argv(home)
    assert (said["CUDA_VISIBLE_DEVICES"], said["PREANNOTATE_RUN"]) == ("-1", None)


@pytest.mark.parametrize(
    ("what", "state", "code", "error"),
    [
        ("refuse", "failed", 2, "task 12: no boxes; expected some. Draw them."),
        ("worse", "done", 1, "version 1 is finished, and was not published."),
        (
            "crash",
            "failed",
            -signal.SIGSEGV,
            "run 1: crashed, ended by SIGSEGV; expected exit code 0. Its log shows its last step. "
            "Resume it: it continues where it was.",
        ),
    ],
)
def test_how_a_run_ends(driver, add, fake, what, state, code, error):
    fake(what)
    run = driver.ended(add())

    assert (run.state, run.exit_code, run.error) == (state, code, error)


def test_a_run_that_failed_is_resumed(driver, queue, add, fake):
    fake("crash")
    run = driver.ended(add())
    fake("ok")
    queue.resume(run.id)

    assert driver.ended(run.id).state == State.DONE
    assert log(run).count("=== preannotate run") == 2


def test_a_run_that_the_system_kills(driver, add, fake):
    fake("wait")
    run = driver.training(add())
    os.kill(command_pid(run.folder), signal.SIGKILL)
    run = driver.ended(run.id)

    assert (run.state, run.error) == (
        "failed",
        "run 1: ended by the system (SIGKILL), most likely for lack of memory; expected exit code 0. Choose a smaller "
        "batch_size or image_size, or stop other programs, and resume it.",
    )
    assert [stage.state for stage in read_live_progress(run).stages] == ["done", "failed", "waiting"]


def test_a_run_is_stopped_and_continues(driver, queue, add, fake):
    fake("wait")
    number = driver.training(add()).id
    queue.stop(number)
    assert queue.get(number).stopping
    run = driver.ended(number)
    assert (run.state, run.error, run.stopping) == ("stopped", "", False)
    assert log(run).endswith("stopped\n")
    assert read_live_progress(run).stages[1].state == "stopped"

    fake("ok")
    queue.resume(number)
    run = driver.ended(number)
    assert (run.state, run.version) == ("done", 1)


def test_a_run_that_ignores_a_stop_is_killed(queue, add, fake):
    fake("stubborn")
    clock = Clock()
    driver = Driver(queue, clock=clock)
    run = driver.training(add())
    process = command_pid(run.folder)
    clock.now = time.time()
    queue.stop(run.id)
    for seconds, _ in supervisor.STOP_SIGNALS[:2]:
        clock.now = time.time() + seconds
        assert driver.states()[run.id] == "running"
    clock.now = time.time() + supervisor.STOP_SIGNALS[2][0] + 1

    assert driver.ended(run.id).state == State.STOPPED
    driver.until(lambda: not psutil.pid_exists(process))


def test_one_run_at_a_time_in_the_order_of_the_queue(driver, queue, add, fake):
    fake("wait")
    first, second = add(), add(name="people")
    driver.training(first)
    assert driver.states() == {first: "running", second: "waiting"}

    fake("ok")
    queue.stop(first)
    assert driver.ended(second).state == State.DONE


def test_several_at_a_time_if_the_workspace_allows_but_one_on_a_model(driver, queue, add, fake):
    fake("wait")
    queue._database.set_setting("simultaneous", 3)
    first = driver.training(add()).id
    same, other = add(), add(name="people")
    driver.training(other)

    assert queue.get(same).state == State.WAITING
    assert queue.get(same).error == f"waits for run {first} (studio), which works on the same model."


def test_a_gpu_has_one_run_at_a_time(driver, queue, add, fake):
    fake("wait")
    queue._database.set_setting("simultaneous", 2)
    first = driver.training(add(machine="gpu:0")).id
    second = add(name="people", machine="gpu:0")
    driver.states()

    assert queue.get(second).error == f"waits for run {first}, which uses gpu:0."


def test_a_run_waits_for_another_programs_work_on_its_model(driver, queue, home, add):
    with home.model("forklifts").locked():
        number = add()
        driver.states()
        run = queue.get(number)
        assert (run.state, run.error) == (
            "waiting", "waits until another program has finished its work on the model 'forklifts'.",
        )  # fmt: skip
    assert driver.ended(number).state == State.DONE


def test_each_supervisor_starts_its_own_runs_and_follows_all(driver, queue, home, add, fake):
    fake("wait")
    watch = Driver(RunQueue(Database(home.database), home), RunSource.WATCH)
    number = add(source=RunSource.WATCH)
    assert driver.states() == {number: "waiting"}

    watch.training(number)
    queue.stop(number)
    assert driver.ended(number).state == State.STOPPED  # by the other supervisor


def test_a_run_outlives_its_supervisor_and_is_followed_by_the_next(driver, queue, home, add, fake):
    fake("wait")
    run = driver.training(add())
    process = command_pid(run.folder)
    next_one = Driver(RunQueue(Database(home.database), home))

    assert next_one.states() == {run.id: "running"}
    assert command_pid(run.folder) == process
    assert read_live_progress(run).fraction == pytest.approx((5 + 80 / 4) / 90)
    queue.stop(run.id)
    assert next_one.ended(run.id).state == State.STOPPED


def test_a_process_that_nobody_recorded_is_found(driver, queue, add, fake):
    """As if the supervisor had died right after it started the run."""
    fake("wait")
    run = driver.training(add())
    head = queue.get(run.id).process
    queue._database.change("UPDATE runs SET process = NULL")

    driver.until(lambda: queue.get(run.id).process is not None)
    assert queue.get(run.id).process == head


def test_a_run_whose_supervisor_died_before_it_started_it_starts_again(driver, queue, add):
    number = add()
    queue.claim_next(lambda run: True, lambda run, running: "")
    assert driver.states(1) == {number: "running"}  # whoever claimed it is alive
    queue._database.change("UPDATE runs SET owner_started = 1")

    assert driver.ended(number).state == State.DONE


def test_what_ended_while_nobody_followed_it(driver, queue, add, fake):
    fake("wait")
    run = driver.training(add())
    head = queue.get(run.id).process
    head.send_signal(signal.SIGKILL)
    run = driver.ended(run.id)

    assert (run.state, run.error) == (
        "failed",
        "run 1: its processes ended without an exit code: the machine restarted, or they were killed; expected an exit "
        "code. Resume it: it continues where it was.",
    )


def test_a_killed_head_does_not_end_its_run(driver, queue, add, fake):
    fake("wait")
    run = driver.training(add())
    os.kill(queue.get(run.id).process.pid, signal.SIGKILL)
    driver.until(lambda: not queue.get(run.id).process.alive)
    assert driver.states() == {run.id: "running"}

    queue.stop(run.id)
    assert driver.ended(run.id).state == State.STOPPED


def test_a_head_that_was_killed_together_with_its_supervisor_starts_again(driver, queue, home, add):
    """As when a container is killed in the moment after the process was recorded."""
    number = add()
    run = queue.claim_next(lambda run: True, lambda run, running: "")
    queue.set_process(number, RunProcess(2**22 + 1, 1.0))
    queue._database.change("UPDATE runs SET owner_started = 1")

    assert driver.ended(number).state == State.DONE
    assert not processes.is_held(run.folder)


def test_a_head_that_dies_at_once_is_a_failure_as_long_as_its_supervisor_lives(driver, queue, add):
    number = add()
    queue.claim_next(lambda run: True, lambda run, running: "")
    queue.set_process(number, RunProcess(2**22 + 1, 1.0))

    assert driver.states(1) == {number: "failed"}


def test_a_run_that_was_claimed_and_stopped_does_not_start(driver, queue, add):
    number = add()
    queue.claim_next(lambda run: True, lambda run, running: "")
    queue.stop(number)
    queue._database.change("UPDATE runs SET owner_started = 1")

    assert driver.states(1) == {number: "stopped"}


def test_a_run_is_not_released_once_another_supervisor_has_it(queue, add):
    number = add()
    stale = queue.claim_next(lambda run: True, lambda run, running: "")
    queue._database.change("UPDATE runs SET owner_started = 1")
    queue.release(stale)

    assert queue.get(number).state == State.RUNNING


def test_a_second_head_of_a_run_does_not_run_its_command(driver, queue, add, fake):
    fake("wait")
    run = driver.training(add())
    head = [sys.executable, "-P", "-m", processes._MODULE, str(run.folder), sys.executable, "-c", "print('twice')"]

    said = subprocess.run(head, capture_output=True, text=True, check=True).stdout
    assert said == f"error: {run.folder}: this run is running already; expected no other process.\n"
    assert driver.states() == {run.id: "running"}


@pytest.mark.parametrize(("begun", "state"), [(True, "failed"), (False, "done")])
def test_a_run_of_another_container_is_over_when_nobody_holds_its_locks(queue, home, add, begun, state):
    """If it has begun; otherwise it begins here."""
    clock = Clock()
    driver = Driver(queue, clock=clock)
    number = add()
    folder = queue.claim_next(lambda run: True, lambda run, running: "").folder
    if begun:
        write_json(folder / processes.PROCESS_FILE, {"supervisor": 1, "process": 2})
    queue._database.change("UPDATE runs SET host = 'another'")
    clock.now = time.time() + 1000
    for lock in (home.model("forklifts").path / ".lock", folder / processes._LOCK):
        with file_lock(lock, ""):
            assert driver.states() == {number: "running"}

    assert driver.ended(number).state == state


def test_a_run_that_cannot_be_started_fails_with_the_reason(queue, add):
    def gone(run):
        raise JobError("server 1: not found; expected a saved one.")

    run = Driver(queue, environment=gone).ended(add())

    assert (run.state, run.error) == ("failed", "server 1: not found; expected a saved one.")


def test_the_message_is_sent_once_and_what_is_not_delivered_is_in_the_log(queue, home, add):
    sent = []
    options = {"on_end": lambda run: sent.append(run.id) or ["mail.example.org: connection refused."]}
    first, second = Driver(queue, **options), Driver(RunQueue(Database(home.database), home), **options)
    quiet, loud = add(), add(name="people", notify=True)
    first.ended(quiet)
    run = first.ended(loud)
    second.states()
    for driver in (first, second):
        driver.supervisor.close()

    assert sent == [loud]
    assert log(run).endswith("notification: mail.example.org: connection refused.\n")


def test_a_message_is_sent_by_whoever_can_also_if_another_records_the_end(queue, home, add):
    """A watch has no settings of messages of the studio's runs."""
    sent = []
    number = add(notify=True)
    studio = Driver(queue, on_end=lambda run: sent.append((run.id, run.state)) or [])
    studio.supervisor.step()
    watch = Driver(RunQueue(Database(home.database), home), RunSource.WATCH)
    watch.ended(number)
    assert sent == []
    studio.states()
    studio.supervisor.close()

    assert sent == [(number, "done")]


@pytest.mark.slow
def test_a_supervisor_that_is_killed_leaves_its_run_and_its_database(driver, home, add, fake):
    """The real thing: kill -9 of a supervisor in a process of its own."""
    fake("wait")
    number = add()
    code = (
        "import sys, time; from pathlib import Path; from preannotate.jobs.database import Database; "
        "from preannotate.jobs.queue import RunQueue; from preannotate.jobs.supervisor import Supervisor; "
        "from preannotate.registry.workspace import Workspace; home = Workspace(Path(sys.argv[1])); "
        "supervisor = Supervisor(RunQueue(Database(home.database), home), may_start=lambda run: True, "
        f"command={supervised_run.COMMAND!r}); supervisor.start(); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(home.path)])
    try:
        end = time.monotonic() + SECONDS
        while read_live_progress(driver.queue.get(number)).epoch != 2:
            assert time.monotonic() < end
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()

    assert driver.training(number).state == State.RUNNING
    driver.queue.stop(number)
    assert driver.ended(number).state == State.STOPPED


def test_a_pid_that_was_used_again_is_another_process():
    assert this_process().alive
    assert not RunProcess(os.getpid(), this_process().started - 5).alive
