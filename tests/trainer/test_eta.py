"""Estimates on a clock that the tests turn."""

import logging

import pytest

from preannotate.core.progress import State, read_progress
from trainer.errors import TrainingError
from trainer.eta import EtaEstimator


class Run:
    """A training that takes as long as it is told."""

    def __init__(self, caplog, **plan):
        caplog.set_level(logging.INFO, "trainer.eta")
        self.now, self._epoch, self._caplog = 1000.0, 0, caplog
        self._step, self._steps = 0, plan["steps"]
        self._eta = EtaEstimator(clock=lambda: self.now, **plan)

    def epoch(self, steps, *, step, between=0.0, compile_seconds=0.0, frozen=False, steps_left=None):
        """`steps_left` after the last step, if no number of steps ends the training."""
        for number in range(steps):
            self.now += step + (compile_seconds if number == 0 else 0)
            self._step += 1
            left = self._steps - self._step if self._steps else steps_left and steps_left + steps - number - 1
            self._eta.step_done(epoch=self._epoch, step=self._step, steps_left=left, frozen=frozen)
        self.now += between
        self._epoch += 1

    @property
    def steps_in_time(self):
        return self._eta.steps_in_time()

    @property
    def said(self):
        return self._caplog.messages


def test_compiling_is_not_taken_for_the_pace(caplog):
    run = Run(caplog, steps_in_epoch=60, steps=600)
    run.epoch(6, step=2, compile_seconds=28)

    # 40 s are gone, 594 steps of 2 s are left.
    assert run.said == ["training will take about 20 minutes: 10 epochs of 60 steps, and validation"]


def test_nothing_is_logged_before_enough_steps(caplog):
    Run(caplog, steps_in_epoch=60, steps=600).epoch(5, step=2)

    assert caplog.messages == []


def test_the_estimate_after_unfreezing_is_logged_again(caplog):
    run = Run(caplog, steps_in_epoch=60, steps=600)
    run.epoch(60, step=1, frozen=True)
    run.epoch(60, step=3)

    # After six steps of the second epoch 60 + 6 · 3 s are gone, 534 steps of 3 s are left. What lay between the two
    # epochs is not known, since compiling was in it.
    assert run.said == [
        "training will take about 10 minutes: 10 epochs of 60 steps, and validation",
        "new estimate: training takes 28 minutes, 27 minutes left: 10 epochs of 60 steps, and validation",
    ]


def test_validation_belongs_to_the_time_once_it_is_known(caplog):
    run = Run(caplog, steps_in_epoch=10, steps=100)
    run.epoch(10, step=6, between=60)
    run.epoch(1, step=6)

    # 126 s are gone; 89 steps of 6 s and 8.9 minutes between epochs are left: 1068 s.
    assert run.said == [
        "training will take about 10 minutes: 10 epochs of 10 steps, and validation",
        "new estimate: training takes 20 minutes, 18 minutes left: 10 epochs of 10 steps",
    ]


def test_epochs_of_one_step_have_a_pace_too(caplog):
    run = Run(caplog, steps_in_epoch=1, steps=300)
    for _ in range(3):
        run.epoch(1, step=1, between=1)

    assert run.said == ["training will take about 10 minutes: 300 epochs of 1 step"]


def test_a_shorter_time_limit_is_logged(caplog):
    run = Run(caplog, steps_in_epoch=60, steps=600, max_seconds=300)
    run.epoch(6, step=2)

    assert run.said == ["training ends after 5 minutes (max_minutes); 10 epochs of 60 steps would take 20 minutes"]


def test_steps_end_before_the_epochs(caplog):
    run = Run(caplog, steps_in_epoch=60, steps=70)
    run.epoch(6, step=1)

    assert run.said == ["training will take about 70 s: 2 epochs of 60 steps, and validation"]


def test_the_time_before_a_resume_counts(caplog):
    run = Run(caplog, steps_in_epoch=60, steps=600, spent=600)
    run.epoch(6, step=2)

    assert run.said == ["training will take about 30 minutes: 10 epochs of 60 steps, and validation"]


@pytest.mark.parametrize("step", [1.9, 2.0, 2.2])
def test_small_differences_are_not_worth_a_line(caplog, step):
    run = Run(caplog, steps_in_epoch=60, steps=600)
    run.epoch(60, step=2)
    run.epoch(60, step=step)

    assert len(run.said) == 1


def test_days_are_said_in_hours(caplog):
    Run(caplog, steps_in_epoch=600, steps=60000).epoch(6, step=2)

    assert caplog.messages == ["training will take about 33.3 hours: 100 epochs of 600 steps, and validation"]


def test_the_file_says_where_it_is_and_how_long_it_takes(caplog, tmp_path):
    path = tmp_path / "progress.json"
    run = Run(caplog, steps_in_epoch=60, steps=600, file=path)
    with run._eta.running(epoch=0, step=0):
        stage = read_progress(path).stage("train")
        assert (stage.state, stage.detail, stage.done, stage.total, stage.unit, stage.seconds_left) == (
            State.RUNNING, "epoch 1 of 10", 0, 10, "epoch", None,
        )  # fmt: skip

        run.epoch(3, step=2)
        stage = read_progress(path).stage("train")
        assert (stage.done, stage.seconds_left) == (0.05, None)  # 3 of 60 steps
        run._epoch = 0
        run.epoch(57, step=2)

        # 540 of 600 steps of 2 s are left.
        stage = read_progress(path).stage("train")
        assert (stage.detail, stage.done, stage.seconds_left) == ("epoch 1 of 10", 1.0, 1080.0)
    assert read_progress(path).stage("train").state == State.DONE
    assert [file.name for file in tmp_path.iterdir()] == ["progress.json"]


def test_a_training_that_fails_says_so(caplog, tmp_path):
    path = tmp_path / "progress.json"
    run = Run(caplog, steps_in_epoch=60, steps=600, file=path)
    with pytest.raises(TrainingError), run._eta.running(epoch=0, step=0):
        raise TrainingError("step 0: class_loss nan")

    assert read_progress(path).stage("train").state == State.FAILED
    assert read_progress(path).error == "step 0: class_loss nan"


def test_what_is_left_ends_with_the_time_limit(caplog, tmp_path):
    path = tmp_path / "progress.json"
    run = Run(caplog, steps_in_epoch=20, steps=None, max_seconds=100, file=path)
    run.epoch(20, step=2, steps_left=30)

    # 40 s are gone, and 60 s are enough for 30 steps more: half of the third epoch.
    assert run.steps_in_time == 30
    stage = read_progress(path).stage("train")
    assert (stage.seconds_left, stage.done, stage.total, stage.detail) == (60.0, 1.2, 3, "epoch 1 of 3")
    assert run.said == ["training ends after 2 minutes (max_minutes): about 3 epochs of 20 steps, and validation"]


def test_without_a_pace_nothing_is_promised(caplog, tmp_path):
    path = tmp_path / "progress.json"
    run = Run(caplog, steps_in_epoch=20, steps=None, max_seconds=100, file=path)
    run.epoch(3, step=2)

    stage = read_progress(path).stage("train")
    assert (stage.detail, stage.done, stage.total, stage.seconds_left) == ("epoch 1", None, None, None)
    assert run.steps_in_time is None


def test_the_last_validation_has_its_part_of_the_time(caplog):
    run = Run(caplog, steps_in_epoch=20, steps=None, max_seconds=400)
    run.epoch(20, step=2, between=60, steps_left=60)
    run.epoch(1, step=2, steps_left=60)

    # 102 s are gone. A step takes 2 s and a twentieth of the 60 s of validation: 5 s. Of the 298 s that are left, 60 s
    # are for the last validation: 47 steps.
    assert run.steps_in_time == 47


def test_a_validation_that_was_not_measured_is_thought_of(caplog):
    run = Run(caplog, steps_in_epoch=1000, steps=None, max_seconds=100, validation_steps=10)
    run.epoch(20, step=2, steps_left=30)

    assert run.steps_in_time == (100 - 40 - 10 * 2) / 2


def test_when_the_time_is_over_no_step_fits_whatever_is_known(caplog):
    run = Run(caplog, steps_in_epoch=20, steps=None, max_seconds=30)
    run.epoch(1, step=2, compile_seconds=40)

    assert run.steps_in_time == 0


def test_thawing_is_not_taken_for_steps_without_duration(caplog):
    run = Run(caplog, steps_in_epoch=20, steps=None, max_seconds=1000)
    for _ in range(3):
        run.epoch(20, step=2, between=1, frozen=True)
    run.epoch(1, step=9)

    assert run.steps_in_time is None


def test_a_full_disk_does_not_stop_the_training(caplog, tmp_path):
    (tmp_path / "file").touch()
    Run(caplog, steps_in_epoch=60, steps=600, file=tmp_path / "file" / "progress.json").epoch(20, step=2)
