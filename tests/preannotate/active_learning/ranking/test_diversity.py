"""Similar images have similar descriptors; frames are chosen on a line: there, a descriptor is one number."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from preannotate.active_learning.ranking import diversity
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


def choose(weights, candidates, present=NONE, **options):
    """Rows of the choices, and the choices."""
    found = choose_frames(np.array(weights, float), candidates, present, **options)
    return [one.row for one in found], found


def test_typical_frames_of_large_groups_come_first_and_copies_last():
    # The similarity is exp(-d^2): 0.99 between neighbours of a group, 0 between groups.
    rows, found = choose(np.ones(6), described(0, 0.1, 0.2, 10, 10, 50), count=6, typical=2)

    assert rows[:3] == [1, 3, 5]
    assert [one.stands_for for one in found] == [2, 1, 0, 0, 0, 0]
    assert [round(one.diversity, 2) for one in found] == [1, 1, 1, 0.01, 0.01, 0]


def test_what_annotated_frames_stand_for_is_left_out():
    # Four frames around 0 are like the annotated one.
    rows, found = choose(np.ones(6), described(0, 0, 0, 0, 9, 9), described(0), count=2, typical=2)

    assert rows == [4, 0]
    assert [(one.diversity, one.stands_for) for one in found] == [(1, 1), (0, 0)]


def test_a_weight_counts_as_much_as_a_group():
    # 3 frames of weight 0.3 are worth less than one of weight 1, and more than one of weight 0.8 is not.
    assert choose([0.3, 0.3, 0.3, 1.0, 0.8], described(0, 0, 0, 10, 20), count=3, typical=2)[0] == [3, 0, 4]


def test_a_near_duplicate_of_a_chosen_frame_comes_last():
    rows, found = choose([1.0, 1.0, 0.05], described(5, 5, 9), count=3, typical=4)

    assert rows == [0, 2, 1]
    assert found[2].diversity == 0


def test_neighbours_in_a_video_are_kept_apart_even_if_they_look_different():
    # Frames that are 1, 2 and 3 apart are alike by 0.75, 0.5 and 0.25. The middle one stands for 4 in all, then 6 for
    # 0.25 + 0.75 + 0.75 more than that.
    rows, _ = choose(np.ones(8), described(*range(0, 800, 100)), count=2, typical=1, gap=4)

    assert rows == [3, 6]


def test_of_very_many_frames_some_stand_for_the_others(monkeypatch):
    monkeypatch.setattr(diversity, "_MOST_SIMILARITIES", 30 * 6)
    monkeypatch.setattr(diversity, "_LEAST_REFERENCES", 2)
    groups = [0] * 20 + [10] * 9 + [50]
    rows, found = choose(np.ones(30), described(*groups), count=3, typical=2)

    assert [groups[row] for row in rows[:2]] == [0, 10]
    assert found[0].stands_for == 20  # 4 of the 6 that are compared, other than itself, for 5 frames each
    assert len(set(rows)) == 3


def test_the_typical_distance_is_the_median():
    assert typical_distance(np.array([[0.0], [1.0], [10.0]], np.float32)) == 9
    assert typical_distance(np.zeros((1, 1), np.float32)) == 0


def test_more_than_there_are_gives_all():
    assert choose([0.5, 1.0], described(0, 0), count=9, typical=0)[0] == [1, 0]


def cat(score=1.0):
    return Detection("cat", 0, score, (0, 0, 9, 9))


def test_a_frame_without_detections_among_similar_ones_is_uncertain():
    found = {frame: [] if frame == 3 else [cat()] for frame in range(10)}
    descriptors = {frame: np.array([frame // 6 * 100 + frame * 0.01], np.float32) for frame in range(12)}
    annotated = AnnotatedFrames({10: frozenset({"cat"}), 11: frozenset()}, {"cat": 1})

    ranked = {one.frame: one for one in rank_frames(found, descriptors, (0.5,), annotated, top=10)}

    assert len(ranked) == 10
    assert ranked[3].uncertainty == pytest.approx(0.7)
    assert "nothing found although 5 of the 5 most similar frames have 'cat'" in ranked[3].reasons
    assert {one.uncertainty for frame, one in ranked.items() if frame != 3} == {0.0}


def test_uncertainty_counts_more_with_more_annotated_frames():
    # Frame 0 is doubtful and alone; 1, 2 and 3 look the same and are certain. Typical is 10, and a group of three.
    found = {0: [cat(0.5)], 1: [cat(0.99)], 2: [cat(0.99)], 3: [cat(0.99)]}
    descriptors = {0: np.array([0.0]), **{frame: np.array([10.0]) for frame in (1, 2, 3)}}

    def first(annotated):
        far = {frame: np.array([1000.0 * frame]) for frame in range(100, 100 + annotated)}
        known = AnnotatedFrames(dict.fromkeys(far, frozenset({"cat"})), {"cat": annotated})
        return rank_frames(found, descriptors | far, (0.5,), known, top=1)[0].frame

    assert first(0) == 1
    assert first(400) == 0


def test_more_expected_objects_are_worth_more():
    found = {0: [cat()], 1: [cat()] * 4, 2: []}
    descriptors = {0: np.array([0.0]), 1: np.array([100.0]), 2: np.array([200.0])}

    ranked = rank_frames(found, descriptors, (0.5,), AnnotatedFrames({}, {"cat": 0}), top=3)

    assert [one.frame for one in ranked] == [1, 0, 2]


def test_a_frame_unlike_the_annotated_ones_is_named():
    found = {0: [], 1: [], 5: []}
    descriptors = {frame: np.array([value], np.float32) for frame, value in enumerate((0, 100, 0, 0, 40, 100))}
    annotated = AnnotatedFrames({2: frozenset(), 3: frozenset(), 4: frozenset()}, {"cat": 0})

    first, *others = rank_frames(found, descriptors, (0.5,), annotated, top=3)

    assert first.frame == 1
    assert first.reasons == ("stands for 1 similar frame without annotations", "unlike all annotated frames")
    assert {one.reasons[0] for one in others if one.frame == 0} == {"the model is certain; the frame looks like others"}


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
