"""Self-training on drawn rectangles: what the teacher's detections become, and that nothing is lost by it."""

import csv
import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import draw_rectangles
from PIL import Image
from support.training import newest_checkpoint, training_config

from evaluation.ground_truth import AnnotatedImage
from evaluation.scores import Scores
from runtime.detector import Detection
from runtime.masks import InstanceMask
from trainer import self_training, train
from trainer.assigner import IGNORED
from trainer.checkpoints import SelfTraining, TrainingState
from trainer.example import Example
from trainer.request import TrainingRequest
from trainer.schedule import has_time_for_self_training
from trainer.self_training import MixedImages, PseudoLabels, SelfTrainingLoop, choose_limits
from trainer.training_loop import TrainingLoop
from trainer.validation import Validator


def test_confident_detections_become_boxes_and_doubtful_ones_ignore_regions():
    labels = PseudoLabels.of(
        [(0, 0.8, (0, 0, 10, 10), None), (1, 0.8, (5, 5, 9, 9), None), (0, 0.3, (1, 1, 4, 4), None)], [0.5, 0.9]
    )

    assert labels.boxes.tolist() == [[0, 0, 10, 10], [5, 5, 9, 9], [1, 1, 4, 4]]
    assert labels.class_ids.tolist() == [0, IGNORED, IGNORED]
    assert labels.masks == ()


def test_confident_detections_keep_their_masks_and_doubtful_ones_have_none():
    mask = InstanceMask.from_bitmap([[1, 0], [1, 1]], 3, 4)
    labels = PseudoLabels.of([(0, 0.8, (3, 4, 5, 6), mask.to_json()), (0, 0.4, (3, 4, 5, 6), mask.to_json())], [0.5])

    assert labels.masks == (mask, None)
    example = Example(Image.new("RGB", (8, 8)), (8, 8), labels.boxes, labels.class_ids)
    images = MixedImages([], [example], [], [(0, labels)])
    assert images[0].masks == (mask, None)


def test_the_limit_asks_for_right_masks_where_masks_were_annotated():
    """Ten objects, found in their boxes; the masks of the five with lower scores are half of what was annotated."""
    whole = [InstanceMask.from_bitmap(np.ones((10, 9)), left, 0) for left in range(0, 100, 10)]
    less = [InstanceMask.from_bitmap(np.ones((4, 9)), mask.left, 0) for mask in whole]
    boxes = np.array([mask.box for mask in whole], np.float32)
    truth = [AnnotatedImage("a", "a.png", (100, 100), boxes, np.zeros(10, int), tuple(whole))]
    detections = [
        Detection("cat", 0, 0.95 - 0.05 * row, mask.box, mask if row < 5 else less[row])
        for row, mask in enumerate(whole)
    ]

    assert choose_limits(truth, [detections], 1) == [0.75]
    plain = [dataclasses.replace(truth[0], masks=())]
    assert choose_limits(plain, [detections], 1) == [0.5]


def test_an_image_without_detections_has_no_boxes():
    labels = PseudoLabels.of([], [0.5])

    assert labels.boxes.shape == (0, 4) and labels.class_ids.shape == (0,)


def annotated(*boxes):
    return AnnotatedImage("a", "a.png", (100, 100), np.array(boxes, np.float32).reshape(-1, 4), np.zeros(len(boxes)))


def found(*scores_and_lefts):
    return [Detection("cat", 0, score, (left, 0, left + 10, 10)) for score, left in scores_and_lefts]


def test_the_limit_is_the_lowest_score_from_which_nine_of_ten_detections_are_right():
    truth = [annotated(*[(left, 0, left + 10, 10) for left in range(0, 100, 10)])]
    right = [(0.95 - 0.05 * number, 10 * number) for number in range(9)]  # down to 0.55

    # With the false one at 0.52 nine of ten are right, with another at 0.51 nine of eleven.
    assert choose_limits(truth, [found(*right, (0.52, 500), (0.51, 600))], 1) == [0.52]


@pytest.mark.parametrize(
    ("detections", "limit"),
    [
        (found((0.2, 0), (0.1, 10)), self_training.LOWEST_LIMIT),  # right, but nobody would call that confident
        (found((0.99, 500)), self_training.HIGHEST_LIMIT),  # wrong at any score
        ([], self_training.HIGHEST_LIMIT),
    ],
)
def test_a_limit_is_never_extreme(detections, limit):
    truth = [annotated(*[(left, 0, left + 10, 10) for left in range(0, 100, 10)])]

    assert choose_limits(truth, [detections], 1) == [limit]


def test_a_class_with_few_boxes_has_the_limit_of_all():
    box = np.array([[0, 0, 10, 10]] * 11, np.float32) + np.arange(11)[:, None] * np.float32(20)
    truth = [AnnotatedImage("a", "a.png", (300, 300), box, np.array([0] * 10 + [1]))]
    detections = [Detection("cat", 0, 0.7, tuple(map(float, one))) for one in box[:10]]
    detections += [Detection("dog", 1, 0.5, (0, 200, 10, 210))]

    assert choose_limits(truth, [detections], 2) == [0.7, 0.5]  # of all 11, 10 are right: 0.91


def test_an_epoch_has_annotated_images_and_then_the_teachers():
    boxes = PseudoLabels(np.ones((1, 4), np.float32), np.array([0]))

    class Named:
        def __init__(self, name):
            self.name = name

        def __getitem__(self, index):
            from PIL import Image

            from trainer.example import Example

            return Example(Image.new("RGB", (8, 8)), (self.name, index), np.zeros((0, 4)), np.zeros(0))

    images = MixedImages(Named(1), Named(2), [4, 0], [(7, boxes)])

    assert len(images) == 3
    assert [images[position].size for position in range(3)] == [(1, 4), (1, 0), (2, 7)]
    assert images[2].boxes is boxes.boxes and images[2].class_ids is boxes.class_ids
    assert [images[position].found_in_whole for position in range(3)] == [False, False, True]


@pytest.mark.parametrize(
    ("mean_ap", "progress", "kept"), [(0.499, 1.0, False), (0.5, 1.0, True), (0.55, 1.0, True), (0.55, 0.9, False)]
)
def test_the_last_weights_are_kept_if_they_score_no_lower_than_those_before(mean_ap, progress, kept):
    state = TrainingState(
        progress=progress,
        history=[{"epoch": 2, "map50": 0.6, "mean_ap": 0.5}],
        self_training=SelfTraining(first_step=6, plain=2, limits=[0.5], boxes=[]),
    )
    loop = SelfTrainingLoop.__new__(SelfTrainingLoop)

    scores = Scores(mean_ap=mean_ap, map50=0.6, map75=0.4, ap={}, ap50={}, images=5, boxes=4)
    # With four boxes all of these are noise, and so the best of several looks would be.
    assert loop._is_kept(scores, 0.55, state) == kept


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    folder = draw_rectangles(tmp_path_factory.mktemp("more") / "voc", 12, seed=1)
    return folder / "JPEGImages"


def request(rectangles, output, unlabelled, epochs=6):
    overrides = {
        "epochs": epochs,
        "batch_size": 8,
        "image_size": "128x96",
        "augment": "weak",
        "initial_learning_rate": 5e-3,
    }
    return TrainingRequest(
        exports=(rectangles,), output=output, base_model="none", overrides=overrides, unlabelled=(unlabelled,)
    )


@pytest.mark.parametrize(("minutes", "expected"), [(None, True), (4.9, False), (5.0, True)])
def test_a_training_of_few_minutes_has_no_time_for_it(minutes, expected):
    assert has_time_for_self_training(minutes) == expected


@pytest.mark.parametrize(("minutes", "used"), [(4, ()), (5, ("sample",)), (None, ("sample",))])
def test_images_that_there_is_no_time_for_are_named(caplog, minutes, used):
    config = SimpleNamespace(arguments=training_config(max_minutes=minutes))
    caplog.set_level("INFO", "trainer.train")

    assert train._unlabelled(SimpleNamespace(config=config, unlabelled=("sample",))) == used

    said = "no self-training: max_minutes=4 leaves no time for it; expected at least 5"
    assert caplog.messages == ([] if used else [said])


def test_self_training_follows_a_training_and_says_what_it_achieved(rectangles, unlabelled, tmp_path):
    shutil.copytree(unlabelled, tmp_path / "unlabelled")
    shutil.copy(rectangles / "JPEGImages" / "00.png", tmp_path / "unlabelled" / "known.png")
    summary = train.start(request(rectangles, tmp_path / "run", tmp_path / "unlabelled"))

    result = summary["self_training"]
    assert result["images"] == 12
    assert result["kept"] == (summary["best_epoch"] > 6)
    # Statistics that are measured again at the end may raise it.
    assert summary["validation"]["mean_ap"] >= result["mean_ap"] - 1e-6
    assert result["mean_ap"] >= result["plain_mean_ap"]
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 11))  # six, and two thirds of six
    left_out = json.loads((tmp_path / "run" / "dataset.json").read_text())["unlabelled"]["left_out"]
    assert sum(left_out.values()) == 1
    assert "self-training on 12 images without annotations" in (tmp_path / "run" / "log.txt").read_text()
    assert "Self-training on 12 images without annotations" in (tmp_path / "run" / "report.html").read_text()
    assert len(list((tmp_path / "run" / "checkpoints").glob("best-*"))) == 1


@pytest.fixture
def short(monkeypatch):
    """Trainings end with the state of their last epoch as summary, without export and report."""

    def finalize(run, prepared, validator, state):
        (run.path / "summary.json").write_text(json.dumps({"best": state.best["epoch"], **self_training.result(state)}))

    monkeypatch.setattr(train, "finalize_run", finalize)


@pytest.mark.slow
@pytest.mark.parametrize("last", [3, 4])
def test_resumed_self_training_equals_an_uninterrupted_one(rectangles, unlabelled, tmp_path, monkeypatch, short, last):
    whole = train.start(request(rectangles, tmp_path / "whole", unlabelled, epochs=3))
    record = TrainingLoop._record

    def record_then_die(self, state):
        record(self, state)
        if state.epoch == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_record", record_then_die)
        with pytest.raises(KeyboardInterrupt):
            train.start(request(rectangles, tmp_path / "stopped", unlabelled, epochs=3))
    resumed = train.resume(tmp_path / "stopped")

    one, other = (newest_checkpoint(tmp_path / name) for name in ("whole", "stopped"))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert {**resumed, "run": ""} == {**whole, "run": ""}


def test_worse_weights_leave_the_plain_model(rectangles, unlabelled, tmp_path, monkeypatch, short):
    scores = Validator.scores

    def falling(self):
        measured = scores(self)
        falling.calls += 1
        # Validated once in the plain part, at its end: the epochs after it score less.
        return dataclasses.replace(measured, boxes=dataclasses.replace(measured.boxes, mean_ap=0.9 / falling.calls))

    falling.calls = 0
    monkeypatch.setattr(Validator, "scores", falling)
    summary = train.start(request(rectangles, tmp_path / "run", unlabelled, epochs=2))

    assert falling.calls == 2
    assert summary["best"] == 2 and not summary["kept"]
    assert "validation mAP fell, so the model from before is kept (" in (tmp_path / "run/log.txt").read_text()
