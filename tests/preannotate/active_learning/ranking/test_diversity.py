"""Similar images have similar descriptors; frames are chosen on a line: there, a descriptor is one number."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from preannotate.active_learning.ranking.diversity import (
    DescribedFrames,
    choose_frames,
    describe,
    distances,
    typical_distance,
)
from preannotate.active_learning.ranking.order import AnnotatedFrames, rank_frames
from runtime.detector import Detection
from runtime.errors import ImageError

NONE = DescribedFrames(np.zeros((0, 1), np.float32), np.zeros(0, int))


def described(*values):
    return DescribedFrames(np.array(values, np.float32)[:, None], np.arange(len(values)))


def test_equal_weights_are_greedy_k_center():
    rows, diversity = choose_frames(np.ones(4), described(0, 1, 9, 10), described(0), count=4, typical=10)

    assert rows == [3, 1, 2, 0]  # farthest from 0; then 1 is 1 away from 0 as 9 is from 10; the first wins
    assert diversity == pytest.approx([1.0, 0.1, 0.1, 0.0])


def test_weight_beats_distance_where_both_are_far():
    rows, _ = choose_frames(np.array([0.2, 0.9, 0.8]), described(0, 5, 10), NONE, count=2, typical=5)

    assert rows == [1, 2]


def test_a_near_duplicate_of_a_chosen_frame_comes_last():
    rows, diversity = choose_frames(np.array([1.0, 1.0, 0.05]), described(5, 5, 9), NONE, count=3, typical=4)

    assert rows == [0, 2, 1]
    assert diversity == [1.0, 1.0, 0.0]


def test_neighbours_in_a_video_are_kept_apart_even_if_they_look_different():
    descriptors = [0, 100, 0, 100, 0, 100, 0, 100]
    rows, _ = choose_frames(np.ones(8), described(*descriptors), NONE, count=2, typical=1, gap=4)

    assert rows == [0, 7]  # of 5 and 7, which look different and are 4 frames away, the farther one


def test_the_typical_distance_is_the_median():
    assert typical_distance(np.array([[0.0], [1.0], [10.0]], np.float32)) == 9
    assert typical_distance(np.zeros((1, 1), np.float32)) == 0


def test_more_than_there_are_gives_all():
    rows, _ = choose_frames(np.ones(2), described(0, 0), NONE, count=9, typical=0)

    assert rows == [0, 1]


def test_a_frame_without_detections_among_similar_ones_is_uncertain():
    cats = [Detection("cat", 0, 1.0, (0, 0, 9, 9))]
    found = dict.fromkeys(range(10), cats) | {3: []}
    descriptors = {frame: np.array([frame // 6 * 100 + frame * 0.01], np.float32) for frame in range(12)}
    annotated = AnnotatedFrames({10: frozenset({"cat"}), 11: frozenset()}, {"cat": 1})

    first, *others = rank_frames(found, descriptors, (0.5,), annotated, top=10)

    assert first.frame == 3
    assert first.reasons == (
        "nothing found although 5 of the 5 most similar frames have 'cat'",
        "unlike all annotated frames",
    )
    assert {one.frame for one in others} == set(range(10)) - {3}


def test_a_frame_unlike_the_annotated_ones_is_named():
    found = {0: [], 1: []}
    descriptors = {frame: np.array([value], np.float32) for frame, value in enumerate((0, 100, 0, 0, 0))}
    annotated = AnnotatedFrames({2: frozenset(), 3: frozenset(), 4: frozenset()}, {"cat": 0})
    descriptors[4] = np.array([60], np.float32)

    first, second = rank_frames(found, descriptors, (0.5,), annotated, top=2)

    assert (first.frame, second.frame) == (1, 0)
    assert second.reasons == ("the model is certain; the frame looks like others",)


def written(image, **more):
    stream = io.BytesIO()
    image.save(stream, **({"format": "PNG"} | more))
    return stream.getvalue()


def scene(seed):
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC)


def test_a_near_duplicate_is_five_times_closer_than_another_scene():
    image = scene(1)
    again = image.filter(ImageFilter.GaussianBlur(1)).crop((3, 2, 320, 240))
    descriptors = np.stack(
        [describe(written(image)), describe(written(again, format="JPEG")), describe(written(scene(2)))]
    )

    away = distances(descriptors, descriptors)

    assert away[0, 1] * 5 < away[0, 2]
    assert away[0, 0] < 0.01


def test_a_plain_wall_has_no_gradients():
    descriptors = describe(written(Image.new("RGB", (64, 64), (200, 10, 10))))

    assert descriptors.shape == (176,)
    assert descriptors.dtype == np.float32
    assert not descriptors[48:].any()


def test_a_broken_image_is_an_error():
    with pytest.raises(ImageError):
        describe(b"no image")
