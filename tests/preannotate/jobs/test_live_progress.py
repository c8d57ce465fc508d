"""What a run is doing, from files that are whole, half there, damaged or absent."""

import pytest

from preannotate.core.progress import ProgressWriter, State
from preannotate.jobs.live_progress import learning_curve, read_live_progress
from preannotate.jobs.queue import Run, RunSource
from preannotate.jobs.task_request import RunKind, TaskRequest

HEADER = "epoch,step,box_loss,class_loss,map50,mean_ap,seconds\n"


@pytest.fixture
def run(home, training):
    """A run at work on version 3; keywords replace parts."""
    folder, model = home.run_folder(1), home.model("forklifts").path
    folder.mkdir(parents=True)
    (model / "versions" / "3" / "run").mkdir(parents=True)

    def make(**more):
        fields = {
            "id": 1, "kind": RunKind.TRAIN, "source": RunSource.STUDIO, "model_name": "forklifts",
            "state": State.RUNNING, "created": "", "started": None, "ended": None, "error": "", "request": training(),
            "server_id": None, "machine": None, "notify": False, "version": None, "exit_code": None, "folder": folder,
            "model_folder": model,
        }  # fmt: skip
        return Run(**fields | more)

    return make


def annotation(**more):
    request = TaskRequest(kind=RunKind.ANNOTATE, name="forklifts", task=12)
    return {"kind": RunKind.ANNOTATE, "request": request} | more


def begin(run, **train):
    progress = ProgressWriter(run.folder / "progress.json", ["pull", "train", "build", "check"])
    progress.set_version(3)
    progress.update("pull", state=State.DONE, detail="40 images")
    progress.update("train", state=State.RUNNING, unit="epoch", **train)
    progress.write()
    return progress


def test_nothing_is_there_yet(run):
    seen = read_live_progress(run())

    assert (seen.stages, seen.epoch, seen.epochs, seen.seconds_left) == ((), None, None, None)
    assert (seen.curve, seen.log_tail, seen.fraction) == ((), "", 0.0)


def test_a_training(run):
    begin(run(), done=2.5, total=10, seconds_left=75.0)
    training = run().model_folder / "versions" / "3" / "run"
    (training / "metrics.csv").write_text(HEADER + "1,4,0.5,0.25,,,3.0\n2,8,0.4,0.1,0.61,0.3,6.0\n")
    (run().folder / "log.txt").write_text("epoch 2\n")
    seen = read_live_progress(run())

    assert [(stage.name, stage.state, stage.detail) for stage in seen.stages][:2] == [
        ("pull", "done", "40 images"), ("train", "running", "2 of 10 epochs"),
    ]  # fmt: skip
    assert (seen.epoch, seen.epochs, seen.seconds_left, seen.log_tail) == (3, 10, 75.0, "epoch 2\n")
    assert seen.curve == (
        {"epoch": 1.0, "loss": 0.75, "map50": None, "mean_ap": None, "seconds": 3.0},
        {"epoch": 2.0, "loss": 0.5, "map50": 0.61, "mean_ap": 0.3, "seconds": 6.0},
    )
    assert seen.fraction == pytest.approx((5 + 80 * 0.25) / 93)


@pytest.mark.parametrize("damage", ["{", "[]", '{"stages": [{"colour": 1}]}', "\x00", '{"stages": 3, "version": "x"}'])
def test_damaged_files_count_as_empty(run, damage):
    (run().model_folder / "versions" / "3" / "run" / "metrics.csv").write_text(damage)
    (run().folder / "progress.json").write_text(damage)
    seen = read_live_progress(run(version=3))

    assert (seen.stages, seen.epoch, seen.curve) == ((), None, ())


def test_a_row_that_is_half_there_is_left_out(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(HEADER + "1,4,0.5,nan,,,3.0\nx,8\n2,8,0.4")

    assert learning_curve(path) == (
        {"epoch": 1.0, "loss": 0.5, "map50": None, "mean_ap": None, "seconds": 3.0},
        {"epoch": 2.0, "loss": 0.4, "map50": None, "mean_ap": None, "seconds": None},
    )


def test_a_training_that_was_killed_keeps_what_it_did(run):
    begin(run(), done=2.5, total=10, seconds_left=75.0)
    seen = read_live_progress(run(state=State.STOPPED, version=3))

    assert [stage.state for stage in seen.stages] == ["done", "stopped", "waiting", "waiting"]
    assert (seen.epoch, seen.seconds_left) == (3, None)
    assert seen.fraction == pytest.approx((5 + 80 * 0.25) / 93)


def test_other_kinds_have_one_stage(run):
    assert read_live_progress(run(**annotation())).fraction == 0.0
    progress = ProgressWriter(run().folder / "progress.json", ["frame"])
    progress.update("frame", state=State.RUNNING, done=12, total=48, unit="frame")
    progress.write()
    seen = read_live_progress(run(**annotation()))

    assert seen.fraction == 0.25
    assert [(stage.name, stage.state, stage.detail) for stage in seen.stages] == [
        ("annotate", "running", "12 of 48 frames")
    ]
    assert read_live_progress(run(**annotation(state=State.DONE))).fraction == 1.0
