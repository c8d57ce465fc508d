"""Runs as child processes: they end well, are refused, crash, are killed, do not want to stop, outlive the studio."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.cvat_stand_in import TOKEN

from preannotate.jobs import processes, supervisor
from preannotate.jobs.live_progress import read_live_progress
from preannotate.jobs.queue import DONE, FAILED, RUNNING, STOPPED, WAITING, Order
from preannotate.registry.workspace import write_json
from preannotate.studio.errors import StudioError
from preannotate.studio.services import Services

FAKE = (sys.executable, str(Path(__file__).with_name("fake_run.py")))
# A busy machine takes its time to start an interpreter.
SECONDS = 60.0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.02)
    root = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(root / "functions")]))


@pytest.fixture
def studio(workspace):
    """With a command that is not preannotate."""
    opened = Services(workspace, command=FAKE)
    yield opened
    with contextlib.suppress(Exception):  # a test may have closed it
        opened._runner.close()  # or it would start the next while these are ended
    with contextlib.suppress(Exception):
        for run in opened.queue.in_state(RUNNING):
            processes.interrupt(processes.RunProcess(*opened.queue.process(run.id)), signal.SIGKILL)
    opened.close()


@pytest.fixture
def order(studio, newest):
    saved = studio.servers.add("", newest.url, token=TOKEN)

    def make(**more):
        return Order(**{"name": "forklifts", "server_id": saved.id, "tasks": (12,)} | more)

    return make


def until(condition, what="nothing happened"):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def ended(studio, number):
    until(lambda: studio.queue.get(number).state not in (WAITING, RUNNING), f"run {number} does not end")
    return studio.queue.get(number)


def training(studio, number):
    """Wait until the fake says that it trains."""
    until(lambda: read_live_progress(studio.queue.get(number)).epoch == 2, "it does not train")
    return studio.queue.get(number)


def log(run):
    return (run.folder / "log.txt").read_text()


def test_a_run_is_done(studio, order):
    studio.start()
    run = ended(studio, studio.queue.add(order()))

    assert (run.state, run.error, run.version) == (DONE, "", 1)
    assert run.began <= run.ended
    seen = read_live_progress(run)
    assert [(stage.name, stage.state) for stage in seen.stages] == [
        ("pull", "done"), ("train", "done"), ("build", "waiting"),
    ]  # fmt: skip
    assert seen.fraction == 1.0
    assert log(run).endswith("done\n")


def test_the_command_has_what_was_ordered_and_no_secret(studio, order, newest, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "say")
    monkeypatch.setenv("PASS", "of the studio's own")
    monkeypatch.setenv("PREANNOTATE_SMTP_PASSWORD", "of the studio's own")
    studio.start()
    options = {"completed_jobs": True, "restart": False}
    number = studio.queue.add(
        order(projects=(3,), arguments="epochs=4", machine="gpu:1", annotate_rest=True, options=options)
    )
    run = ended(studio, number)
    first, said, rest = log(run).splitlines()
    said = json.loads(said)

    assert said == {
        "words": [
            "run", "--workspace", str(studio.workspace.path), "--name", "forklifts", "--task", "12", "--project", "3",
            "--model", "auto", "--base-model", "imagenet", "--deploy", "serve", "--arguments=epochs=4",
            "--annotate-rest", "--completed-jobs", "--cvat", newest.url,
        ],
        "CVAT_ACCESS_TOKEN": TOKEN,
        "PASS": None,
        "CUDA_VISIBLE_DEVICES": "1",
        "PREANNOTATE_SMTP_PASSWORD": None,
    }  # fmt: skip
    assert first.startswith("=== preannotate run --workspace ")
    assert TOKEN not in first
    assert rest == f"nice {min(os.nice(0) + 10, 19)}, in {number}"


def test_a_training_on_a_cluster_is_told_where(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "say")
    studio.settings.set_kubernetes("image=i,claim=data,mount=/srv")
    studio.start()
    run = ended(studio, studio.queue.add(order(machine="kubernetes")))
    said = json.loads(log(run).splitlines()[1])

    assert "--kubernetes=image=i,claim=data,mount=/srv" in said["words"]
    assert said["CUDA_VISIBLE_DEVICES"] == "-1"


def test_other_kinds_name_the_function(studio, order, newest, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "say")
    version = studio.workspace.model("forklifts").version(2)
    version.run.mkdir(parents=True)
    (version.function / "nuclio").mkdir(parents=True)
    write_json(version.record_file, {"number": 2})
    studio.start()
    run = ended(studio, studio.queue.add(order(kind="review", options={"version": 2, "top": 9, "issues": True})))
    said = json.loads(log(run).splitlines()[1])

    assert said["words"] == [
        "review", str(version.function), "--task", "12", "--cvat", newest.url,
        "--output", ".", "--run", str(version.run), "--top", "9", "--issues",
    ]  # fmt: skip
    assert said["CUDA_VISIBLE_DEVICES"] == "-1"


def test_the_sentence_of_a_refusal_is_the_runs(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "refuse")
    studio.start()
    run = ended(studio, studio.queue.add(order()))

    assert (run.state, run.error) == (FAILED, "task 12: no boxes; expected some. Draw them.")


def test_a_version_that_is_not_better_is_no_failure(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "worse")
    studio.start()
    run = ended(studio, studio.queue.add(order()))

    assert (run.state, run.error) == (DONE, "version 1 is finished, and was not published.")


def test_a_crash_is_a_sentence_and_the_next_run_starts(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "crash")
    studio.start()
    run = ended(studio, studio.queue.add(order()))
    assert (run.state, run.error) == (
        FAILED,
        "run 1: it crashed (SIGSEGV); expected it to end by itself. Its log says what it did last. "
        "Resume it: it goes on where it was.",
    )

    monkeypatch.setenv("FAKE_RUN", "ok")
    studio.queue.resume(run.id)
    assert ended(studio, run.id).state == DONE


def test_a_run_that_the_system_kills(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "wait")
    studio.start()
    number = studio.queue.add(order())
    run = training(studio, number)
    os.kill(processes.command_process(run.folder), signal.SIGKILL)
    run = ended(studio, number)

    assert (run.state, run.error) == (
        FAILED,
        "run 1: the system ended it (SIGKILL), most likely for lack of memory; expected it to end by itself. Choose a "
        "smaller batch_size or image_size, or stop other programs, and resume it.",
    )
    assert [stage.state for stage in read_live_progress(run).stages] == ["done", "failed", "waiting"]


def test_a_run_is_stopped_and_goes_on(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "wait")
    studio.start()
    number = studio.queue.add(order())
    training(studio, number)
    studio.queue.stop(number)
    assert studio.queue.get(number).stopping
    run = ended(studio, number)
    assert (run.state, run.error, run.stopping) == (STOPPED, "", False)
    assert log(run).endswith("stopped\n")
    assert read_live_progress(run).stages[1].state == "stopped"

    monkeypatch.setenv("FAKE_RUN", "ok")
    studio.queue.resume(number)
    run = ended(studio, number)
    assert (run.state, run.version) == (DONE, 1)
    assert log(run).count("=== preannotate run") == 2


@pytest.mark.slow
def test_a_run_that_does_not_want_to_stop_is_killed(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "stubborn")
    monkeypatch.setattr(
        supervisor, "STOP_SIGNALS", ((0.0, signal.SIGINT), (0.2, signal.SIGTERM), (0.4, signal.SIGKILL))
    )
    studio.start()
    number = studio.queue.add(order())
    process = processes.command_process(training(studio, number).folder)
    studio.queue.stop(number)

    assert ended(studio, number).state == STOPPED
    until(lambda: not psutil.pid_exists(process))


def test_one_run_at_a_time_in_the_order_of_the_queue(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "wait")
    studio.start()
    first, second = studio.queue.add(order()), studio.queue.add(order(name="people"))
    training(studio, first)
    time.sleep(0.2)
    assert studio.queue.get(second).state == WAITING

    monkeypatch.setenv("FAKE_RUN", "ok")
    studio.queue.stop(first)
    assert ended(studio, second).state == DONE


def test_several_at_a_time_if_told_so_but_one_on_a_model(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "wait")
    studio.settings.set_simultaneous(3)
    studio.start()
    first = studio.queue.add(order())
    training(studio, first)
    same, other = studio.queue.add(order()), studio.queue.add(order(name="people"))
    training(studio, other)

    assert studio.queue.get(same).state == WAITING
    assert studio.queue.get(same).error == f"waits for run {first}, which works with the same model."


def test_a_run_waits_for_another_programs_work_on_its_model(studio, order):
    with studio.workspace.model("forklifts").locked():
        studio.start()
        number = studio.queue.add(order())
        until(lambda: studio.queue.get(number).error)
        run = studio.queue.get(number)
        assert (run.state, run.error) == (
            WAITING, "waits until another program has finished its work on the model 'forklifts'.",
        )  # fmt: skip
    assert ended(studio, number).state == DONE


def test_a_gpu_has_one_run_at_a_time(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "wait")
    studio.settings.set_simultaneous(2)
    studio.start()
    first = studio.queue.add(order(machine="gpu:0"))
    training(studio, first)
    second = studio.queue.add(order(name="people", machine="gpu:0"))
    until(lambda: studio.queue.get(second).error)

    assert studio.queue.get(second).error == f"waits for run {first}, which uses gpu:0."


def test_a_run_outlives_the_studio_and_is_adopted(studio, workspace, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "wait")
    studio.start()
    number = studio.queue.add(order())
    process = processes.command_process(training(studio, number).folder)
    studio.close()
    assert psutil.pid_exists(process)

    again = Services(workspace, command=FAKE)
    again.start()
    time.sleep(0.2)
    run = again.queue.get(number)
    assert (run.state, processes.command_process(run.folder)) == (RUNNING, process)
    assert read_live_progress(run).fraction == pytest.approx((5 + 80 / 4) / 90)
    again.queue.stop(number)
    assert ended(again, number).state == STOPPED
    again.close()


def test_a_process_that_nobody_wrote_down_is_found(studio, workspace, order, monkeypatch):
    """As if the studio had died right after it started the run."""
    monkeypatch.setenv("FAKE_RUN", "wait")
    studio.start()
    number = studio.queue.add(order())
    training(studio, number)
    overseer, _ = studio.queue.process(number)
    studio.close()

    again = Services(workspace, command=FAKE)
    again.queue.begin(number, 0, 0.0)
    again.start()
    until(lambda: again.queue.process(number)[0] == overseer)
    assert again.queue.get(number).state == RUNNING
    again.queue.stop(number)
    assert ended(again, number).state == STOPPED
    again.close()


def test_a_run_that_never_got_a_process(studio, order):
    number = studio.queue.add(order())
    studio.queue.claim(number)  # and the studio died
    studio.start()

    assert ended(studio, number).error.startswith("run 1: all its processes are gone")


def test_what_ended_while_no_studio_was_there(studio, workspace, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "wait")
    studio.start()
    number = studio.queue.add(order())
    run = training(studio, number)
    studio.close()
    os.kill(processes.command_process(run.folder), signal.SIGKILL)

    again = Services(workspace, command=FAKE)
    again.start()
    run = ended(again, number)
    assert run.state == FAILED
    assert run.error.startswith("run 1: the system ended it (SIGKILL)")
    again.close()


@pytest.mark.slow
def test_everything_was_killed_while_no_studio_was_there(studio, workspace, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "wait")
    studio.start()
    number = studio.queue.add(order())
    training(studio, number)
    overseen = processes.RunProcess(*studio.queue.process(number))
    studio.close()
    processes.interrupt(overseen, signal.SIGKILL)

    again = Services(workspace, command=FAKE)
    again.start()
    run = ended(again, number)
    assert (run.state, run.error) == (
        FAILED,
        "run 1: all its processes are gone, and none could say why: the machine restarted, or somebody killed them; "
        "expected an exit code. Resume it: it goes on where it was.",
    )
    again.close()


@pytest.mark.slow
def test_a_studio_that_is_killed_leaves_its_run_and_its_database(workspace, newest, monkeypatch):
    """The real thing: kill -9 of a studio of its own process."""
    monkeypatch.setenv("FAKE_RUN", "wait")
    code = (
        "import sys, time; from pathlib import Path; from preannotate.registry.workspace import Workspace; "
        "from preannotate.studio.services import Services; from preannotate.jobs.queue import Order; "
        "from preannotate.studio import secrets; secrets.find_keyring = lambda: None; "
        f"studio = Services(Workspace(Path(sys.argv[1])), command={FAKE!r}); studio.start(); "
        "saved = studio.servers.add('', sys.argv[2], token=sys.argv[3]); "
        "studio.queue.add(Order(name='forklifts', server_id=saved.id, tasks=(12,))); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(workspace.path), newest.url, TOKEN])
    again = None
    try:
        until(lambda: (workspace.model("forklifts").version(1).run / "pace.json").exists())
        process.kill()
        process.wait()
        again = Services(workspace, command=FAKE)
        again.start()
        run = training(again, 1)
        assert run.state == RUNNING
        again.queue.stop(1)
        assert ended(again, 1).state == STOPPED
    finally:
        process.kill()
        if again is not None:
            again.close()


def test_two_studios_do_not_work_on_one_workspace(studio, workspace):
    studio.start()
    other = Services(workspace, command=FAKE)
    sentence = f"{workspace.path}: another studio works on this workspace; expected none. Use that one, or stop it."
    with pytest.raises(StudioError, match=re.escape(sentence)):
        other.start()
    other.close()


@pytest.mark.slow
def test_an_overseer_that_is_killed_does_not_end_its_run(studio, order, monkeypatch):
    monkeypatch.setenv("FAKE_RUN", "wait")
    studio.start()
    number = studio.queue.add(order())
    training(studio, number)
    os.kill(studio.queue.process(number)[0], signal.SIGKILL)
    time.sleep(0.2)
    assert studio.queue.get(number).state == RUNNING

    studio.queue.stop(number)
    assert ended(studio, number).state == STOPPED


def test_a_server_that_was_removed_meanwhile(studio, order):
    number = studio.queue.add(order())
    studio.servers.remove(1)
    studio.start()
    run = ended(studio, number)

    assert (run.state, run.error) == (FAILED, "server 1: there is none; expected a saved one. Add it again.")
