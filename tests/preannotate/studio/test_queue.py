"""The queue without a runner: orders that can never run are refused, places are kept, what is over can be deleted."""

import re

import pytest
from support.cvat_stand_in import TOKEN

from preannotate.jobs.queue import DONE, FAILED, RUNNING, STOPPED, WAITING, Order
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import write_json
from preannotate.studio.errors import StudioError
from preannotate.studio.services import Services
from trainer.errors import TrainingError


@pytest.fixture
def order(studio, newest):
    """An order that can run; keywords replace parts."""
    saved = studio.servers.add("", newest.url, token=TOKEN)

    def make(**more):
        return Order(**{"name": "forklifts", "server_id": saved.id, "tasks": (12,)} | more)

    return make


def test_an_order_waits(studio, newest, order):
    number = studio.queue.add(order(arguments="epochs=4", options={"completed_jobs": True}))
    run = studio.queue.get(number)

    assert (run.state, run.kind, run.model_name, run.version, run.error) == (WAITING, "train", "forklifts", 0, "")
    assert run.order == order(arguments="epochs=4", options={"completed_jobs": True}, server_url=newest.url)
    assert run.folder == studio.workspace.path / "studio" / "runs" / str(number)
    assert (run.began, run.ended, run.stopping) == ("", "", False)


def test_the_order_of_the_queue_is_kept_after_a_restart(studio, workspace, order):
    first, second = studio.queue.add(order()), studio.queue.add(order(name="people"))
    studio.close()
    again = Services(workspace)

    assert [run.id for run in again.queue.in_state(WAITING)] == [first, second]
    assert [run.id for run in again.queue.list()] == [second, first]
    assert [run.id for run in again.queue.list(model_name="people")] == [second]
    assert (again.queue.position(first), again.queue.position(second)) == (0, 1)
    again.close()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "dance"}, "order: kind 'dance'; expected one of: train, annotate, review, rank."),
        (
            {"tasks": ()},
            "order: nothing to learn from; expected at least one task, project or job. Choose one.",
        ),
        (
            {"model": "yolo"},
            "order: model 'yolo'; expected auto or one of: ssd-mobilenet-v2, ssd-efficientnet-lite0, frcnn-resnet50, "
            "frcnn-resnet101, frcnn-inception-resnet-v2, frcnn-nas.",
        ),
        ({"machine": "gpu:0; reboot"}, "order: machine 'gpu:0; reboot'; expected cpu, or a GPU such as gpu:0."),
        (
            {"machine": "kubernetes"},
            "order: machine 'kubernetes' is not configured; expected another. Choose this machine.",
        ),
        (
            {"tasks": ("12 --restart",)},
            "order: number '12 --restart' of a task, project or job; expected a whole one from 1 on.",
        ),
        ({"jobs": (-1,)}, "order: number -1 of a task, project or job; expected a whole one from 1 on."),
        (
            {"kind": "rank", "options": {"create_task": "--help"}},
            "order: option create_task='--help' of rank; expected a text that does not begin with '-'.",
        ),
        ({"deploy": "ftp"}, "order: deploy 'ftp'; expected one of: serve, nuctl, none."),
        (
            {"base_model": "--restart"},
            "order: base model '--restart'; expected imagenet, none, previous or a path.",
        ),
        (
            {"options": {"shell": "reboot"}},
            "order: option 'shell' of train; expected one of: completed_jobs, include_auto, accept_completed, "
            "only_if_better, restart.",
        ),
        ({"options": {"restart": "yes"}}, "order: option restart='yes' of train; expected a truth value."),
    ],
)
def test_orders_that_can_never_run(studio, order, change, sentence):
    with pytest.raises(StudioError, match=f"^{re.escape(sentence)}$"):
        studio.queue.add(order(**change))
    assert studio.queue.list() == []


def test_impossible_arguments_are_refused_in_the_trainers_words(studio, order):
    with pytest.raises(TrainingError, match=re.escape("arguments: epochs=-1; expected a whole number from 0 on")):
        studio.queue.add(order(arguments="epochs=-1"))


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".", "Upper", "-x", "a" * 80])
def test_names_that_lead_elsewhere_are_none(studio, order, name):
    with pytest.raises(RuntimeError, match="expected"):
        studio.queue.add(order(name=name))


def test_an_order_for_a_server_that_is_not_saved(studio, order):
    with pytest.raises(StudioError, match=re.escape("server 99: there is none; expected a saved one. Add it again.")):
        studio.queue.add(order(server_id=99))


def test_annotating_needs_a_model_that_is_published_or_named(studio, order):
    with pytest.raises(WorkspaceError, match="no model 'forklifts'"):
        studio.queue.add(order(kind="annotate"))
    version = studio.workspace.model("forklifts").version(2)
    (version.function / "nuclio").mkdir(parents=True)
    write_json(version.record_file, {"number": 2})

    sentence = "model 'forklifts': is not published; expected a version. Publish one, or choose one."
    with pytest.raises(StudioError, match=re.escape(sentence)):
        studio.queue.add(order(kind="annotate"))
    sentence = "model 'forklifts': no finished version 3; expected one. Choose another."
    with pytest.raises(StudioError, match=re.escape(sentence)):
        studio.queue.add(order(kind="annotate", options={"version": 3}))
    sentence = "order: annotate without a single task; expected exactly one. Choose it."
    with pytest.raises(StudioError, match=re.escape(sentence)):
        studio.queue.add(order(kind="annotate", tasks=(1, 2), options={"version": 2}))

    assert studio.queue.get(studio.queue.add(order(kind="annotate", options={"version": 2}))).kind == "annotate"


def test_a_waiting_run_is_taken_out_and_resumed_at_the_end(studio, order):
    first, second = studio.queue.add(order()), studio.queue.add(order(name="people"))
    studio.queue.stop(first)
    assert studio.queue.get(first).state == STOPPED
    with pytest.raises(StudioError, match=re.escape(f"run {first}: is over already; expected one that waits or runs.")):
        studio.queue.stop(first)

    studio.queue.resume(first)
    assert [run.id for run in studio.queue.in_state(WAITING)] == [second, first]
    with pytest.raises(StudioError, match=f"run {first}: is waiting; expected one that was stopped or failed."):
        studio.queue.resume(first)


def test_only_what_is_over_is_deleted(studio, order):
    number = studio.queue.add(order())
    with pytest.raises(StudioError, match=f"run {number}: is waiting; expected one that is over. Stop it first."):
        studio.queue.delete(number)
    assert studio.queue.claim(number)
    assert studio.queue.get(number).state == RUNNING
    with pytest.raises(StudioError, match=f"run {number}: is running; expected one that is over. Stop it first."):
        studio.queue.delete(number)


def test_a_run_that_was_taken_out_is_not_started(studio, order):
    number = studio.queue.add(order())
    studio.queue.stop(number)

    assert not studio.queue.claim(number)
    assert studio.queue.get(number).state == STOPPED


def test_deleting_removes_the_log_and_an_unfinished_version(studio, order):
    model = studio.workspace.model("forklifts")
    for number, finished in ((1, True), (2, False)):
        model.version(number).run.mkdir(parents=True)
        if finished:
            write_json(model.version(number).record_file, {"number": number})
        run_id = studio.queue.add(order())
        studio.queue.note(run_id, version=number)
        studio.queue.end(run_id, DONE if finished else FAILED, "")
        run = studio.queue.get(run_id)
        run.folder.mkdir(parents=True)
        studio.queue.delete(run_id)
        assert not run.folder.exists()

    assert [version.number for version in model.versions()] == [1]
    with pytest.raises(StudioError, match=re.escape("run 2: there is none; expected one of the list.")):
        studio.queue.get(2)


def test_a_version_that_another_run_goes_on_with_is_not_removed(studio, order):
    version = studio.workspace.model("forklifts").version(1)
    version.run.mkdir(parents=True)
    first, second = studio.queue.add(order()), studio.queue.add(order())
    for number in (first, second):
        studio.queue.note(number, version=1)
    studio.queue.end(first, FAILED)
    studio.queue.delete(first)

    assert version.run.is_dir()
