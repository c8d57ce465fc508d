"""What a run is doing, from files that are whole, half there, damaged or absent."""

import json

import pytest

from preannotate.jobs.live_progress import curve, read_live_progress
from preannotate.jobs.queue import DONE, RUNNING, STOPPED, Order, Run
from preannotate.pipeline.progress import Progress

HEADER = "epoch,step,box_loss,class_loss,map50,mean_ap,seconds\n"


@pytest.fixture
def run(tmp_path):
    """A run at work of process 77 on version 3; keywords replace parts."""
    folder, model = tmp_path / "runs" / "1", tmp_path / "models" / "forklifts"
    folder.mkdir(parents=True)
    (model / "versions" / "3" / "run").mkdir(parents=True)
    (folder / "process.json").write_text('{"overseer": 76, "process": 77}')

    def make(**more):
        said = {
            "id": 1, "kind": "train", "model_name": "forklifts", "state": RUNNING, "created": "", "began": "",
            "ended": "", "error": "", "order": Order(), "version": 0, "folder": folder, "model_folder": model,
        }  # fmt: skip
        return Run(**said | more)

    return make


def begin(run, process=77):
    progress = Progress.begin(run.model_folder / "progress.json", ["pull", "train", "build", "check"])
    progress.process, progress.version = process, 3
    progress.stages[0].state, progress.stages[1].state = "done", "running"
    progress.write()
    return progress


def test_nothing_is_there_yet(run):
    seen = read_live_progress(run())

    assert (seen.stages, seen.epoch, seen.epochs, seen.seconds_left) == ((), 0, 0, None)
    assert (seen.curve, seen.log_tail, seen.fraction) == ((), "", 0.0)


def test_a_training(run):
    begin(run())
    training = run().model_folder / "versions" / "3" / "run"
    pace = {"epoch": 3, "epochs": 40, "step": 12, "steps": 160, "seconds_spent": 25.0, "seconds_left": 75.0}
    (training / "pace.json").write_text(json.dumps(pace))
    (training / "metrics.csv").write_text(HEADER + "1,4,0.5,0.25,,,3.0\n2,8,0.4,0.1,0.61,0.3,6.0\n")
    (run().folder / "log.txt").write_text("epoch 2\n")
    seen = read_live_progress(run())

    assert [(stage.name, stage.state) for stage in seen.stages][:2] == [("pull", "done"), ("train", "running")]
    assert (seen.epoch, seen.epochs, seen.seconds_left, seen.log_tail) == (3, 40, 75.0, "epoch 2\n")
    assert seen.curve == (
        {"epoch": 1.0, "loss": 0.75, "map50": None, "mean_ap": None, "seconds": 3.0},
        {"epoch": 2.0, "loss": 0.5, "map50": 0.61, "mean_ap": 0.3, "seconds": 6.0},
    )
    assert seen.fraction == pytest.approx((5 + 80 * 0.25) / 93)


def test_the_time_is_not_known_yet(run):
    begin(run())
    pace = {"epoch": 1, "epochs": 40, "step": 16, "steps": 160, "seconds_spent": 2.0, "seconds_left": None}
    (run().model_folder / "versions" / "3" / "run" / "pace.json").write_text(json.dumps(pace))
    seen = read_live_progress(run())

    assert seen.seconds_left is None
    assert seen.fraction == pytest.approx((5 + 80 * 0.1) / 93)


def test_the_progress_of_another_run_is_not_this_ones(run):
    begin(run(), process=1)

    assert read_live_progress(run()).stages == ()


@pytest.mark.parametrize("damage", ["{", "[]", '{"stages": [{"colour": 1}]}', "\x00", '{"stages": 3, "version": "x"}'])
def test_damaged_files_say_nothing(run, damage):
    begin(run())
    training = run().model_folder / "versions" / "3" / "run"
    (training / "pace.json").write_text(damage)
    (training / "metrics.csv").write_text(damage)
    assert read_live_progress(run()).epoch == 0

    (run().model_folder / "progress.json").write_text(damage)
    assert read_live_progress(run(version=3)).stages == ()
    (run().folder / "progress.json").write_text(damage)
    assert read_live_progress(run(state=DONE, version=3)).stages == ()


def test_a_row_that_is_half_there_is_left_out(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(HEADER + "1,4,0.5,nan,,,3.0\nx,8\n2,8,0.4")

    assert curve(path) == (
        {"epoch": 1.0, "loss": 0.5, "map50": None, "mean_ap": None, "seconds": 3.0},
        {"epoch": 2.0, "loss": 0.4, "map50": None, "mean_ap": None, "seconds": None},
    )


def test_a_training_that_was_stopped_keeps_what_it_did(run):
    progress = begin(run())
    progress.stages[1].state = "stopped"
    progress.write()
    (run().model_folder / "progress.json").rename(run().folder / "progress.json")
    pace = {"epoch": 3, "epochs": 40, "step": 12, "steps": 160, "seconds_spent": 25.0, "seconds_left": 75.0}
    (run().model_folder / "versions" / "3" / "run" / "pace.json").write_text(json.dumps(pace))
    seen = read_live_progress(run(state=STOPPED, version=3))

    assert (seen.epoch, seen.seconds_left) == (3, None)
    assert seen.fraction == pytest.approx((5 + 80 * 0.25) / 93)


def test_other_kinds_count(run):
    assert read_live_progress(run(kind="annotate")).fraction == 0.0
    (run().folder / "done.json").write_text('{"done": 12, "total": 48, "unit": "frame"}')
    seen = read_live_progress(run(kind="annotate"))

    assert seen.fraction == 0.25
    assert [(stage.name, stage.state, stage.detail) for stage in seen.stages] == [
        ("annotate", "running", "12 of 48 frames")
    ]
    assert read_live_progress(run(kind="annotate", state=DONE)).fraction == 1.0
