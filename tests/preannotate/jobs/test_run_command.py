"""`preannotate run` among the other runs of its workspace, with a fake in place of the pipeline."""

import signal

import pytest
from support import supervised_run

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.core.child_process import CheckFailedError
from preannotate.core.progress import State, read_progress
from preannotate.jobs import processes, run_command
from preannotate.jobs.queue import RunSource
from preannotate.jobs.supervisor import Supervisor
from preannotate.notifications.message import NotifyError
from preannotate.pipeline.errors import PipelineError
from preannotate.pipeline.run_request import read_run_request
from preannotate.registry import workspace as workspace_module


@pytest.fixture
def sent(monkeypatch):
    """Title, text and link of each message that was sent."""
    found = []
    monkeypatch.setenv("PREANNOTATE_WEBHOOK_URL", "http://127.0.0.1:9/hook")
    monkeypatch.setattr(
        run_command,
        "deliver_and_report",
        lambda settings, message: found.append((message.title, message.text, message.link)),
    )
    return found


@pytest.fixture
def run(home, training, monkeypatch):
    """Run `work` in place of the pipeline."""

    def do(work=lambda entry: None, *, notify=False, repeats=False, **changes):
        monkeypatch.setattr(run_command, "_run_pipeline", lambda entry, pipeline: work(entry))
        return run_command.run(home.path, training(**changes), repeats=repeats, notify=notify)

    return do


def failing(error):
    def work(entry):
        raise error

    return work


def test_a_run_by_hand_is_in_the_list_while_it_runs_and_afterwards(run, queue, home, training):
    seen = []

    def work(entry):
        seen.append(queue.get(1))
        entry.say("pull: 4 frames")

    assert run(work) == 0
    (run_,) = queue.list()

    assert (seen[0].state, seen[0].source, seen[0].model_name) == ("running", "command line", "forklifts")
    assert (run_.state, run_.exit_code, run_.error, run_.request) == ("done", 0, "", training())
    assert (run_.folder / "log.txt").read_text() == "pull: 4 frames\n"
    assert [stage.name for stage in read_progress(run_.folder / "progress.json").stages][:2] == [
        "pull",
        "train",
    ]
    assert read_run_request(home.model("forklifts").run_request) == training()


@pytest.mark.parametrize(
    ("error", "raised", "state", "code"),
    [
        (PipelineError("no boxes."), PipelineError, "failed", 2),
        (CheckFailedError("3 detections differ."), None, "failed", 1),
        (KeyboardInterrupt(), KeyboardInterrupt, "stopped", 130),
    ],
)
def test_how_a_run_by_hand_ends(run, queue, error, raised, state, code):
    if raised is None:
        assert run(failing(error)) == 1
    else:
        with pytest.raises(raised):
            run(failing(error))
    (ended,) = queue.list()

    assert (ended.state, ended.exit_code, ended.error) == (state, code, str(error))


def test_a_version_that_is_not_published_is_no_failure(run, queue):
    def work(entry):
        entry.remark = "version 2 is not better."

    assert run(work) == 1
    assert (queue.get(1).state, queue.get(1).error) == ("done", "version 2 is not better.")


def test_a_queued_run_is_no_second_entry_and_its_supervisor_records_the_end(run, queue, training, monkeypatch):
    number = queue.add(training(), source=RunSource.WATCH)
    queue.claim_next(lambda run: True, lambda run, running: "")
    monkeypatch.setenv("PREANNOTATE_RUN", str(number))

    assert run(only_if_better=True) == 0

    assert [(one.id, one.state) for one in queue.list()] == [(number, "running")]


def test_what_a_watch_does_with_one_version_is_not_repeated_by_hand(run, queue, home, training, monkeypatch):
    run()
    number = queue.add(training(), source=RunSource.WATCH)
    queue.claim_next(lambda run: True, lambda run, running: "")
    monkeypatch.setenv("PREANNOTATE_RUN", str(number))
    run(only_if_better=True, arguments="epochs=9")

    assert read_run_request(home.model("forklifts").run_request) == training(arguments="epochs=9")


def test_runs_by_hand_by_watch_and_by_the_studio_are_in_one_list(run, queue, home, training, monkeypatch):
    """And each has the same states."""
    monkeypatch.setenv("FAKE_RUN", "ok")
    supervisor = Supervisor(queue, may_start=lambda run: True, command=supervised_run.COMMAND)
    queue._database.set_setting("simultaneous", 9)
    running = {}

    def work(entry):
        by_watch = queue.add(training(name="watched"), source=RunSource.WATCH)
        by_studio = queue.add(training(name="clicked"), source=RunSource.STUDIO)
        supervisor.step()
        running.update({run.source: run.state for run in queue.list()})
        while not all(queue.get(number).state.is_over for number in (by_watch, by_studio)):
            supervisor.step()

    run(work)

    assert running == dict.fromkeys(RunSource, State.RUNNING)
    assert {run.source: (run.state, run.exit_code) for run in queue.list()} == dict.fromkeys(RunSource, ("done", 0))


def test_a_second_start_of_a_model_that_is_being_trained_is_refused(home, queue, monkeypatch, capsys):
    """Through the command itself, with nothing but the stages replaced."""
    monkeypatch.setattr(workspace_module, "LOCK_SECONDS", 0.0)
    argv = ["run", "--workspace", str(home.path), "--cvat", "https://cvat.example.org", "--name", "boards"]
    argv += ["--task", "12"]
    trained, second = [], []

    def work(entry, pipeline):
        trained.append(entry.run.id)
        if not second:
            second.append("started")
            second.append(main(argv))
            second.append([(run.id, run.state) for run in queue.list()])

    monkeypatch.setattr(run_command, "_run_pipeline", work)

    assert main(argv) == 0
    assert second == ["started", COULD_NOT_RUN, [(1, "running")]]
    assert capsys.readouterr().err == (
        f"error: {home.model('boards').path}: another run works on this model; expected none. Wait for it, or stop "
        f"it.\n"
    )
    assert main(argv) == 0
    assert trained == [1, 2]
    assert [(run.id, run.state) for run in queue.list()] == [(2, "done"), (1, "done")]


def test_the_web_interface_waits_for_a_run_by_hand_of_the_same_model(run, queue, training):
    waiting = []

    def work(entry):
        number = queue.add(training(), source=RunSource.STUDIO)
        queue._database.set_setting("simultaneous", 9)
        Supervisor(queue, may_start=lambda run: True, command=supervised_run.COMMAND).step()
        waiting.append((queue.get(number).state, queue.get(number).error))

    assert run(work) == 0
    assert waiting == [("waiting", "waits for run 1 (command line), which works on the same model.")]
    assert len(queue.list()) == 2


def test_a_run_by_hand_that_is_killed_is_recorded_by_a_supervisor(queue, training):
    number = queue.register(training(), processes.RunProcess(2**22 - 1, 1.0))
    Supervisor(queue, may_start=lambda run: False).step()
    run = queue.get(number)

    assert run.state == "failed"
    assert run.error.endswith("expected an exit code. Run the same command again.")


def test_a_killed_run_is_not_in_the_way_of_the_next(run, queue, training):
    killed = queue.register(training(), processes.RunProcess(2**22 - 1, 1.0))

    assert run() == 0
    assert [(one.id, one.state) for one in queue.list()] == [(killed + 1, "done"), (killed, "failed")]


def test_nor_is_one_of_a_container_that_is_gone(run, queue, training):
    killed = queue.register(training(), processes.this_process())
    queue._database.change("UPDATE runs SET host = 'gone'")

    assert run() == 0
    assert queue.get(killed).error == "run 1: ended without an exit code on gone."


def test_a_run_by_hand_is_stopped_from_the_list(queue, training, monkeypatch):
    number = queue.register(training(), processes.this_process())
    sent = []
    monkeypatch.setattr(processes.RunProcess, "send_signal", lambda process, number: sent.append(number))
    queue.stop(number)
    Supervisor(queue, may_start=lambda run: False).step()

    assert sent == [signal.SIGINT]


def test_a_run_that_is_done_is_told(run, sent):
    assert run(notify=True) == 0
    assert sent == [("forklifts: the run is done", "It created no new version.", "https://cvat.example.org/models")]


def test_a_run_that_failed_is_told(run, sent):
    with pytest.raises(PipelineError):
        run(failing(PipelineError("CVAT: away; expected it.")), notify=True)
    assert sent == [("forklifts: the run failed", "CVAT: away; expected it.", "https://cvat.example.org/models")]


def test_a_run_that_failed_before_it_was_registered_is_told(run, sent):
    with pytest.raises(PipelineError):
        run(notify=True, tasks=(0,))
    assert sent == [("forklifts: the run failed", "--task: 0; expected a whole number from 1 on.", "")]


def test_who_stops_a_run_is_not_told(run, sent):
    with pytest.raises(KeyboardInterrupt):
        run(failing(KeyboardInterrupt()), notify=True)
    assert sent == []


def test_nobody_to_tell_is_said_before_anything_is_done(run, home):
    with pytest.raises(NotifyError):
        run(lambda entry: pytest.fail("ran"), notify=True)
    assert not home.path.exists()


def test_the_flag_of_the_command(home, sent, capsys):
    assert main(["run", "--workspace", str(home.path), "--name", "boards", "--notify"]) == COULD_NOT_RUN
    assert "run: nothing to train on" in capsys.readouterr().err
    assert sent[0][0] == "boards: the run failed"
