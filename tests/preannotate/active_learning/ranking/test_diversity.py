"""Choosing on a line: looks are one number, so that distances can be seen."""

import numpy as np
import pytest

from preannotate.active_learning.ranking.diversity import DescribedFrames, choose_frames, typical_distance
from preannotate.active_learning.ranking.order import Annotated, rank_frames
from runtime.detector import Detection

NOBODY = DescribedFrames(np.zeros((0, 1), np.float32), np.zeros(0, int))


def place(*looks):
    return DescribedFrames(np.array(looks, np.float32)[:, None], np.arange(len(looks)))


def test_equal_worth_is_greedy_k_center():
    rows, shares = choose_frames(np.ones(4), place(0, 1, 9, 10), place(0), count=4, typical=10)

    assert rows == [3, 1, 2, 0]  # farthest from 0; then 1 is 1 away from 0 as 9 is from 10; the first wins
    assert shares == pytest.approx([1.0, 0.1, 0.1, 0.0])


def test_worth_beats_distance_where_both_are_far():
    rows, _ = choose_frames(np.array([0.2, 0.9, 0.8]), place(0, 5, 10), NOBODY, count=2, typical=5)

    assert rows == [1, 2]


def test_a_twin_of_what_is_chosen_comes_last_however_doubtful():
    rows, shares = choose_frames(np.array([1.0, 1.0, 0.05]), place(5, 5, 9), NOBODY, count=3, typical=4)

    assert rows == [0, 2, 1]
    assert shares == [1.0, 1.0, 0.0]


def test_neighbours_in_a_video_are_kept_apart_even_if_they_look_different():
    looks = [0, 100, 0, 100, 0, 100, 0, 100]
    rows, _ = choose_frames(np.ones(8), place(*looks), NOBODY, count=2, typical=1, gap=4)

    assert rows == [0, 7]  # of 5 and 7, which look different and are 4 frames away, the farther one


def test_the_typical_distance_is_the_median():
    assert typical_distance(np.array([[0.0], [1.0], [10.0]], np.float32)) == 9
    assert typical_distance(np.zeros((1, 1), np.float32)) == 0


def test_more_than_there_are_gives_all():
    rows, _ = choose_frames(np.ones(2), place(0, 0), NOBODY, count=9, typical=0)

    assert rows == [0, 1]


def test_a_frame_without_a_find_among_its_like_is_doubted():
    sure = [Detection("cat", 0, 1.0, (0, 0, 9, 9))]
    found = dict.fromkeys(range(10), sure) | {3: []}
    looks = {frame: np.array([frame // 6 * 100 + frame * 0.01], np.float32) for frame in range(12)}
    known = Annotated({10: frozenset({"cat"}), 11: frozenset()}, {"cat": 1})

    first, *others = rank_frames(found, looks, (0.5,), known, top=10)

    assert first.frame == 3
    assert first.reasons == (
        "nothing found although 5 of the 5 most similar frames have 'cat'",
        "unlike all annotated frames",
    )
    assert {one.frame for one in others} == set(range(10)) - {3}


def test_an_unlike_frame_is_said_to_be():
    found = {0: [], 1: []}
    looks = {frame: np.array([value], np.float32) for frame, value in enumerate((0, 100, 0, 0, 0))}
    known = Annotated({2: frozenset(), 3: frozenset(), 4: frozenset()}, {"cat": 0})
    looks[4] = np.array([60], np.float32)

    first, second = rank_frames(found, looks, (0.5,), known, top=2)

    assert (first.frame, second.frame) == (1, 0)
    assert second.reasons == ("the model is sure of what it sees; looks like others",)
