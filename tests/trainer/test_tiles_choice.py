"""When a trained model uses tiles: the gain in validation against what they take."""

import numpy as np

from evaluation.corrections import CorrectionCosts
from evaluation.ground_truth import AnnotatedImage
from evaluation.scores import Scores, score
from runtime.detector import Detection
from runtime.manifest import Tiles
from trainer import tiles_choice
from trainer.validation import ValidationScores


class FakeValidator:
    """Six images of ten objects; how many are found, and how long that takes, with whole images and with tiles.

    `masks` are scores of masks for each number of objects found.
    """

    labels = ("x",)

    def __init__(self, whole, tiled, *, milliseconds=(20.0, 100.0), masks=None):
        boxes = np.float32([(30 * k, 0, 30 * k + 20, 20) for k in range(10)])
        self.truth = [AnnotatedImage("a.jpg", "a.jpg", (400, 400), boxes, np.zeros(10, int))] * 6
        self._masks = masks or {whole: None, tiled: None}
        self._found = {None: (whole, milliseconds[0]), Tiles(2): (tiled, milliseconds[1])}

    def detections(self):
        return self.timed_detections(None)[0]

    def timed_detections(self, tiles):
        count, milliseconds = self._found[tiles]
        found = [Detection("x", 0, 0.9, (30.0 * k, 0.0, 30.0 * k + 20, 20.0)) for k in range(count)]
        return [found] * 6, milliseconds

    def scores_of(self, detections):
        boxes = score(self.labels, self.truth, detections)
        return ValidationScores(boxes, self._masks[len(detections[0])])


TWO = Tiles(2)


def choose(*found, tiles=TWO, **options):
    return tiles_choice.choose(FakeValidator(*found, **options), tiles, CorrectionCosts())


def test_tiles_that_find_more_are_used():
    choice = choose(5, 9)

    assert choice.chosen is choice.tiled
    assert choice.why == (
        "2 x 2 tiles are used: mAP50 0.901, mAP 0.901, 41 s of corrections and 100 ms an image with tiles, "
        "mAP50 0.505, mAP 0.505, 134 s of corrections and 20 ms an image with whole images."
    )
    assert choice.to_json() == {
        "chosen": True,
        "whole": {"map50": 0.50495, "mean_ap": 0.50495, "seconds_of_correction": 804.0, "milliseconds": 20.0},
        "tiled": {"map50": 0.90099, "mean_ap": 0.90099, "seconds_of_correction": 247.2, "milliseconds": 100.0},
        "why": choice.why,
    }


def test_a_gain_within_the_error_of_the_measurement_is_none():
    """Sixty boxes: at a mAP of 0.5 a standard error of 0.065, which one box of ten more in each image exceeds."""
    assert choose(5, 6).chosen.tiles == Tiles(2)
    same = choose(9, 9)
    assert same.chosen is same.whole
    assert same.why.startswith(
        "2 x 2 tiles are not used, mAP does not grow by more than its standard error of 0.039: mAP50 0.901, "
    )
    assert same.to_json()["chosen"] is False


def test_tiles_that_find_as_little_are_not_used():
    assert choose(0, 0).chosen.tiles is None


def test_tiles_that_take_longer_than_they_save_are_not_used():
    """One box of an image more saves 23 seconds of correction."""
    assert choose(5, 6, milliseconds=(20.0, 9_000.0)).chosen.tiles == Tiles(2)
    slow = choose(5, 6, milliseconds=(20.0, 30_020.0))
    assert slow.chosen is slow.whole
    assert "not used, they take as long as they save: " in slow.why


def test_tiles_that_serving_could_not_wait_for_are_not_used():
    """Four boxes of an image more save 93 seconds of correction."""
    assert "not used, an image would take longer than 10 s: " in choose(5, 9, milliseconds=(20.0, 12_000.0)).why


def test_tiles_that_lose_are_not_used():
    assert choose(9, 5).chosen.tiles is None


def test_without_tiles_to_choose_there_is_nothing_to_say():
    choice = choose(9, 10, tiles=None)

    assert (choice.chosen.tiles, choice.tiled, choice.why, choice.to_json()) == (None, None, "", None)


def test_masks_decide_where_they_were_annotated():
    """The boxes are those of `test_tiles_that_find_more_are_used`."""
    masks = {count: Scores(ap, ap, ap, {"x": ap}, {"x": ap}, 6, 60) for count, ap in ((5, 0.4), (9, 0.41))}
    choice = choose(5, 9, masks=masks)

    assert choice.chosen is choice.whole
    assert choice.why.startswith("2 x 2 tiles are not used, mAP does not grow by more than its standard error of 0.06")
    assert choice.to_json()["tiled"]["mean_ap"] == 0.41
