"""The queue without a supervisor: impossible requests are refused, places are kept, what is over can be deleted."""

import re

import pytest

from preannotate.core.files import write_json
from preannotate.core.progress import State
from preannotate.jobs.database import Database
from preannotate.jobs.errors import JobError
from preannotate.jobs.processes import this_process
from preannotate.jobs.queue import RunQueue, RunSource
from preannotate.pipeline.errors import RunRequestError
from trainer.errors import TrainingError


@pytest.fixture
def add(queue, training):
    """Add a run of the web interface; keywords replace fields of its request."""
    return lambda **changes: queue.add(training(**changes), source=RunSource.STUDIO, server_id=1)


@pytest.fixture
def claim(queue):
    """Claim a run, as a supervisor does."""
    return lambda number: queue.claim_next(lambda run: run.id == number, lambda run, running: "")


def test_a_request_waits(queue, home, training):
    request = training(arguments="epochs=4", completed_jobs=True)
    number = queue.add(request, source=RunSource.WATCH, machine="gpu:0", notify=True)
    run = queue.get(number)

    assert (run.state, run.kind, run.source, run.model_name) == ("waiting", "train", "watch", "forklifts")
    assert (run.version, run.exit_code, run.error, run.started, run.ended) == (None, None, "", None, None)
    assert (run.server_id, run.machine, run.notify, run.stopping) == (None, "gpu:0", True, False)
    assert run.request == request
    assert run.folder == home.path / "runs" / str(number)


def test_the_order_of_the_queue_is_kept_after_a_restart(queue, home, add):
    first, second = add(), add(name="people")
    again = RunQueue(Database(home.database), home)

    assert [run.id for run in again.in_state(State.WAITING)] == [first, second]
    assert [run.id for run in again.list()] == [second, first]
    assert [run.id for run in again.list(model_name="people")] == [second]
    assert (again.position(first), again.position(second)) == (0, 1)


def test_impossible_requests_are_refused(queue, add, training):
    with pytest.raises(RunRequestError, match=re.escape("--task: -1; expected a whole number from 1 on.")):
        add(tasks=(-1,))
    with pytest.raises(TrainingError, match="epochs=-1"):
        add(arguments="epochs=-1")
    with pytest.raises(JobError, match="machine 'gpu:0; reboot'; expected cpu"):
        queue.add(training(), source=RunSource.STUDIO, machine="gpu:0; reboot")
    assert queue.list() == []


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".", "Upper", "-x", "a" * 80])
def test_names_that_lead_elsewhere_are_refused(add, name):
    with pytest.raises(RunRequestError, match="--name: "):
        add(name=name)


def test_a_waiting_run_is_taken_out_and_resumed_at_the_end(queue, add):
    first, second = add(), add(name="people")
    queue.stop(first)
    assert queue.get(first).state == State.STOPPED
    with pytest.raises(JobError, match=re.escape(f"run {first}: is over already; expected one that waits or runs.")):
        queue.stop(first)

    queue.resume(first)
    assert [run.id for run in queue.in_state(State.WAITING)] == [second, first]
    with pytest.raises(JobError, match=f"run {first}: is waiting; expected one that was stopped or failed."):
        queue.resume(first)


def test_a_run_by_hand_is_resumed_on_the_command_line_only(queue, training):
    number = queue.register(training(), this_process())
    queue.end(number, State.FAILED)

    with pytest.raises(JobError, match="was started on the command line, and only that has its login"):
        queue.resume(number)


def test_only_what_is_over_is_deleted(queue, add, claim):
    number = add()
    with pytest.raises(JobError, match=f"run {number}: is waiting; expected one that is over. Stop it first."):
        queue.delete(number)
    claim(number)
    with pytest.raises(JobError, match=f"run {number}: is running; expected one that is over. Stop it first."):
        queue.delete(number)


def test_a_run_that_was_taken_out_is_not_claimed(queue, add, claim):
    number = add()
    queue.stop(number)

    assert claim(number) is None
    assert queue.get(number).state == State.STOPPED


def test_two_processes_claim_a_run_once(queue, home, add):
    add()
    other = RunQueue(Database(home.database), home)
    claims = [one.claim_next(lambda run: True, lambda run, running: "") for one in (queue, other)]

    assert [claim is not None for claim in claims] == [True, False]


def test_as_many_run_as_the_workspace_allows_whoever_started_them(queue, add, training):
    queue.register(training(name="by-hand"), this_process())
    add()
    assert queue.claim_next(lambda run: True, lambda run, running: "") is None

    queue._database.set_setting("simultaneous", 2)
    assert queue.claim_next(lambda run: True, lambda run, running: "") is not None


def test_a_second_run_by_hand_on_a_model_is_told_who_works_on_it(queue, training):
    queue.register(training(), this_process())

    with pytest.raises(JobError, match=re.escape("model 'forklifts': run 1 (command line) works on it")):
        queue.register(training(), this_process())
    assert queue.register(training(name="people"), this_process()) == 2


def test_an_end_is_recorded_once(queue, add, claim):
    claim(number := add())

    assert queue.end(number, State.FAILED, "no boxes.", 2)
    assert not queue.end(number, State.DONE)
    assert (queue.get(number).state, queue.get(number).error, queue.get(number).exit_code) == ("failed", "no boxes.", 2)


def test_deleting_removes_the_log_and_an_unfinished_version(queue, home, add, claim):
    model = home.model("forklifts")
    for number, finished in ((1, True), (2, False)):
        model.version(number).run.mkdir(parents=True)
        if finished:
            write_json(model.version(number).record_file, {"number": number})
        run_id = add()
        claim(run_id)
        queue.note(run_id, version=number)
        queue.end(run_id, State.DONE if finished else State.FAILED)
        run = queue.get(run_id)
        run.folder.mkdir(parents=True)
        queue.delete(run_id)
        assert not run.folder.exists()

    assert [version.number for version in model.versions()] == [1]
    with pytest.raises(JobError, match=re.escape("run 2: not found; expected one of the list.")):
        queue.get(2)


def test_a_version_that_another_run_continues_is_not_removed(queue, home, add):
    version = home.model("forklifts").version(1)
    version.run.mkdir(parents=True)
    first, second = add(), add()
    for number in (first, second):
        queue.note(number, version=1)
    queue.end(first, State.FAILED)
    queue.delete(first)

    assert version.run.is_dir()
