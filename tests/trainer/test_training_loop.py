"""The loop on a clock that the tests turn, with steps and validations that take as long as they are told."""

import functools
import itertools
import json
import queue
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import tensorflow as tf
from support.training import training_config

from preannotate.core.progress import read_progress
from trainer import checkpoints, training_loop
from trainer.eta import EtaEstimator
from trainer.schedule import PLAN_STEPS
from trainer.training_loop import TrainingLoop, TrainingSetup, standard_error
from trainer.validation import ValidationScores
from trainer.worker_group import WorkerGroup


class Batches(list):
    """As much of a `tf.data.Dataset` as the loop uses."""

    def take(self, count):
        return self[:count]


class Training:
    """A training of `images`, with a second a step and the scores that it is given (the last one again and again)."""

    def __init__(
        self,
        tmp_path,
        monkeypatch,
        *,
        images,
        scores=(0.5,),
        boxes=100,
        slow_from=None,
        file=None,
        validation_images=8,
        workers=None,
        mask_scores=None,
        **arguments,
    ):
        self.now, self.steps, self.epochs = 0.0, [], []
        self.network = SimpleNamespace(input_size=(96, 96), mask_head=mask_scores and object())
        self.step, self.truth = 0, [None] * validation_images
        self.ema_network = self.network
        self._scores = itertools.chain(scores, itertools.repeat(scores[-1]))
        self._mask_scores = itertools.chain(mask_scores, itertools.repeat(mask_scores[-1])) if mask_scores else None
        self._boxes, self._slow_from = boxes, slow_from
        run = SimpleNamespace(progress=file, metrics=tmp_path / "metrics.csv", path=tmp_path)

        def batches(images, network, epoch, shard):
            self.epochs.append(epoch)
            steps = -(-len(images) // epoch.batch_size)
            return Batches({"index": [0]} for _ in range(steps))

        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(training_loop, "EtaEstimator", functools.partial(EtaEstimator, clock=clock.monotonic))
        monkeypatch.setattr(training_loop, "time", clock)
        monkeypatch.setattr(training_loop, "batches", batches)
        for name in ("save", "save_best", "delete_other_best"):
            monkeypatch.setattr(checkpoints, name, lambda *_: None)
        monkeypatch.setattr(checkpoints, "newest", lambda _: None)
        config = training_config(batch_size=8, **arguments)
        workers = workers or WorkerGroup(tf.distribute.get_strategy())
        setup = TrainingSetup(run, config, self, [SimpleNamespace(masks=())] * images, self, workers)
        self._loop = TrainingLoop(setup, pretrained=False)

    def train(self):
        self.state = self._loop.train()
        return self

    def train_step(self, batch, *, progress, backbone_frozen, closing, rate):
        self.now += 1 if self._slow_from is None or self.step < self._slow_from else 3
        self.now += 20 if self.step == 0 else 0  # compiles
        self.step += 1
        self.steps.append((progress, closing))
        return {"class_loss": 1.0}

    def scores(self):
        self.now += 2
        masks = None if self._mask_scores is None else self._scored(self._mask_scores)
        return ValidationScores(self._scored(self._scores), masks)

    def _scored(self, scores):
        return SimpleNamespace(mean_ap=(score := next(scores)), map50=score, boxes=self._boxes, ap={})

    @property
    def closing(self):
        """Part of the steps."""
        return sum(closing for _, closing in self.steps) / len(self.steps)


class Worker:
    """One of two processes, as threads: what the chief decides goes through a queue, as JSON."""

    size = 2

    def __init__(self, index, decisions):
        self.index, self.is_chief, self._decisions = index, index == 0, decisions

    def from_chief(self, make):
        if self.is_chief:
            value = make()
            self._decisions.put(json.dumps(value))
            return value
        return json.loads(self._decisions.get(timeout=60))


@pytest.fixture
def training(tmp_path, monkeypatch):
    return functools.partial(Training, tmp_path, monkeypatch)


@pytest.mark.parametrize("images", [3, 30, 400, 3_000, 20_000])
def test_the_time_is_used_and_not_exceeded_whatever_the_number_of_images(training, images):
    done = training(images=images, max_minutes=5).train()

    assert 280 <= done.now <= 301
    assert done.state.progress == 1
    assert done.closing == pytest.approx(0.25, abs=0.05)
    assert done.state.history[-1]["map50"] == 0.5


def test_the_schedule_follows_a_machine_that_becomes_slower(training):
    done = training(images=400, max_minutes=10, slow_from=200).train()

    assert 560 <= done.now <= 601
    assert done.state.progress == 1
    # 200 steps were a third of the training, 130 of three seconds are the rest.
    assert done.closing == pytest.approx(0.25 / 0.65 * 130 / 330, abs=0.05)


def test_epochs_with_a_time_limit_end_with_what_comes_first(training):
    assert training(images=400, max_minutes=10, epochs=2).train().step == 100
    assert training(images=400, max_minutes=10, epochs=100).train().now <= 601


@pytest.mark.parametrize("length", [{"max_minutes": 5}, {"epochs": 5}, {"max_minutes": 5, "steps": 70}])
def test_all_processes_do_what_the_chief_decides(training, length):
    decisions = queue.Queue()
    chief, other = (training(images=200, workers=Worker(index, decisions), **length) for index in (0, 1))
    with ThreadPoolExecutor(2) as pool:
        chief, other = pool.map(Training.train, (chief, other))

    assert decisions.empty()
    assert chief.steps == other.steps
    assert chief.state == other.state
    assert chief.state.progress == 1


def test_a_phase_has_whole_epochs(training):
    done = training(images=400, max_minutes=10).train()
    first = next(number for number, (progress, _) in enumerate(done.steps) if progress >= 0.75)

    assert [closing for _, closing in done.steps] == [False] * first + [True] * (len(done.steps) - first)


def test_many_validation_images_are_looked_at_less_often(training):
    def validated(images):
        done = training(images=40, validation_images=images, epochs=20).train()
        return [row["epoch"] for row in done.state.history if row["map50"] is not None]

    assert validated(8) == [10, 20]  # after 400 images each
    assert validated(320) == [16, 20]  # 640 images are 16 epochs
    assert validated(5000) == [20]


def test_progress_never_falls_and_waits_only_for_the_speed(training):
    progress = [progress for progress, _ in training(images=400, max_minutes=10).train().steps]

    assert progress == sorted(progress)
    assert progress.count(0) <= PLAN_STEPS


def test_a_limit_that_is_over_before_the_first_step_still_ends_with_weights(training):
    done = training(images=400, max_minutes=0.1).train()

    assert len(done.steps) <= 3
    assert done.state.best is not None


def test_the_progress_file_counts_epochs_towards_the_limit(training, tmp_path):
    done = training(images=400, max_minutes=5, file=tmp_path / "progress.json").train()
    stage = read_progress(tmp_path / "progress.json").stage("train")

    assert stage.total == done.state.epoch
    assert stage.done == pytest.approx(stage.total, abs=0.1)


# Of 10 000 boxes the standard error of 0.5 is 0.005; of 4 it is 0.25.
FALLING = (0.5, *[0.4] * 99)


def test_scores_that_are_surely_worse_for_long_begin_the_closing_phase(training):
    done = training(images=400, epochs=40, scores=FALLING, boxes=10_000, early_stopping=0.41).train()

    # The first of 40 epochs was the best; 17 more are over 41 % of the training. A quarter follows.
    assert done.state.stopped_early
    assert done.state.epoch == 1 + 17 + 10
    assert [epoch.number for epoch in done.epochs if epoch.augmentation != done.epochs[0].augmentation] == [
        *range(18, 28)
    ]
    assert done.state.progress == 1


def test_with_a_time_limit_the_early_closing_phase_is_a_quarter_too(training):
    done = training(images=400, max_minutes=60, scores=FALLING, boxes=10_000).train()

    assert done.state.stopped_early
    assert done.now < 0.8 * 3600
    main = 1 - done.closing
    assert done.closing / main == pytest.approx(0.25 / (done.state.sound + 0.4), rel=0.1)


@pytest.mark.parametrize(
    ("scores", "boxes"),
    [
        (FALLING, 4),  # noise
        ([0.5], 10_000),  # a plateau
        ([0.5, *[0.4] * 8, 0.5, *[0.4] * 99], 10_000),  # below for too short a time, then never long enough
    ],
)
def test_nothing_stops_for_noise_or_a_plateau(training, scores, boxes):
    done = training(images=400, epochs=20, scores=scores, boxes=boxes).train()

    assert not done.state.stopped_early
    assert done.state.epoch == 20


@pytest.mark.parametrize(("boxes", "masks", "best"), [([0.5], (0.2, 0.6, 0.1), 2), ((0.2, 0.6, 0.1), [0.5], 4)])
def test_weights_are_kept_by_the_scores_of_masks(training, boxes, masks, best):
    done = training(images=400, epochs=4, scores=boxes, mask_scores=masks, boxes=10_000).train()

    assert done.state.best["epoch"] == best
    assert done.state.best["record"] == max(masks)
    first = done.state.history[0]
    assert (first["mean_ap"], first["mask_mean_ap"]) == (boxes[0], masks[0])


def test_masks_that_become_surely_worse_begin_the_closing_phase(training):
    done = training(images=400, epochs=40, scores=[0.5], mask_scores=FALLING, boxes=10_000).train()

    assert done.state.stopped_early


def test_without_annotated_masks_boxes_decide(training, tmp_path):
    done = training(images=400, epochs=4, scores=(0.2, 0.6, 0.1), boxes=10_000)
    done.network.mask_head = object()

    assert done.train().state.best["epoch"] == 2
    assert (tmp_path / "metrics.csv").read_text().splitlines()[0].endswith("mask_map50,mask_mean_ap,answer_mean_ap")


def test_early_stopping_can_be_switched_off(training):
    assert training(images=400, epochs=20, scores=FALLING, boxes=10_000, early_stopping=None).train().state.epoch == 20


def test_few_boxes_tell_little_apart():
    # A proportion of 0.5 on 25 boxes: sqrt(0.25 / 25).
    assert standard_error(0.5, 25) == pytest.approx(0.1)
    assert standard_error(0.5, 2500) == pytest.approx(0.01)


def test_perfect_and_empty_validation_have_no_spread():
    assert standard_error(1.0, 10) == 0
    assert standard_error(0.0, 0) == 0
