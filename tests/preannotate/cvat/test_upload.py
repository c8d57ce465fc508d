import re

import pytest

from preannotate.cvat.errors import CvatError
from preannotate.cvat.tasks import Job, Task
from preannotate.cvat.upload import TargetLabel, find_unannotated_frames, match_labels


def label(number, name, kind="rectangle", *attributes, **more):
    return {"id": number, "name": name, "type": kind, "attributes": list(attributes), "parent_id": None} | more


def attribute(number, name, kind, values, default):
    return {"id": number, "name": name, "input_type": kind, "values": values, "default_value": default}


LOADED = attribute(20, "loaded", "checkbox", ["false"], "false")
SURE = attribute(21, "sure", "number", ["0", "100", "1"], "0")


def test_labels_are_matched_by_name_and_must_take_rectangles():
    content = [label(1, "cat"), label(2, "dog", "any"), label(3, "bird", "mask"), label(4, "paw", parent_id=9)]

    matched, notes = match_labels(12, content, dict.fromkeys(["dog", "cat", "bird", "paw"], "rectangle"), None)

    assert {name: target.id for name, target in matched.items()} == {"dog": 2, "cat": 1}
    assert notes == [
        "label 'bird' of task 12 is of the type mask: its boxes are left out.",
        "task 12 has no label 'paw': its boxes are left out.",
    ]


def test_labels_for_masks_and_polygons_get_those():
    content = [label(1, "cat", "mask"), label(2, "dog", "any"), label(3, "bird", "polygon"), label(4, "cow")]

    matched, notes = match_labels(12, content, dict.fromkeys(["cat", "dog", "bird", "cow"], "mask"), None)

    assert {name: target.shape for name, target in matched.items()} == {"cat": "mask", "dog": "mask", "bird": "polygon"}
    assert notes == ["label 'cow' of task 12 is of the type rectangle: its masks are left out."]
    with pytest.raises(CvatError, match=re.escape("is one of its labels for masks and polygons (cat, dog, bird)")):
        match_labels(12, content, {"cow": "mask", "owl": "polygon"}, None)


def test_attributes_have_their_defaults_as_if_drawn_on_the_page():
    matched, _ = match_labels(12, [label(1, "cat", "any", LOADED, SURE)], {"cat": "rectangle"}, None)

    assert matched["cat"].values(0.9) == [(20, "false"), (21, "0")]


@pytest.mark.parametrize(
    ("limits", "score", "text"),
    [
        ((0, 100, 1), 0.874, "87"),
        ((0, 100, 1), 1.0, "100"),
        ((0, 100, 5), 0.874, "85"),
        ((0, 1, 0.01), 0.874, "0.87"),
        ((0, 1, 0.1), 0.0, "0"),
        ((10, 20, 1), 0.5, "15"),
    ],
)
def test_the_score_is_laid_between_the_limits_of_the_attribute(limits, score, text):
    assert TargetLabel(1, {21: "0"}, (21, *limits)).values(score) == [(21, text)]


def test_nothing_that_matches():
    content = [label(1, "cat"), label(3, "bird", "mask")]
    message = (
        "task 12: none of the function's labels (dog, bird) is one of its labels for rectangles (cat); expected the "
        "same names. Rename them in the task or in function.yaml."
    )
    with pytest.raises(CvatError, match=re.escape(message)):
        match_labels(12, content, dict.fromkeys(["dog", "bird"], "rectangle"), None)


@pytest.mark.parametrize("attributes", [(), (LOADED,), (attribute(22, "sure", "text", [], ""),)])
def test_no_number_attribute_of_that_name(attributes):
    message = (
        "--confidence-attribute: no label of task 12 that is filled has a number attribute 'sure'; expected one. "
        "Add it to the labels in CVAT, of type Number, from 0 to 100."
    )
    with pytest.raises(CvatError, match=re.escape(message)):
        match_labels(12, [label(1, "cat", "any", *attributes)], {"cat": "rectangle"}, "sure")


def job(number, frames, state="in progress", kind="annotation"):
    return Job(number, 12, kind, state, "annotation", "today", tuple(frames), max(frames))


def task(*jobs):
    return Task(12, "dock", False, 20, "today", "", 0, 1, (), (), frozenset(), {}, jobs)


def test_frames_without_annotations_in_jobs_that_are_not_completed():
    jobs = (
        job(1, [0, 1, 2]),
        job(2, [3, 4], "completed"),
        job(3, [5], "rejected"),
        job(9, [0, 5], kind="ground_truth"),
    )

    unannotated = find_unannotated_frames(task(*jobs), {1: {1}, 2: set(), 3: set()}, annotated_too=False)

    assert unannotated.frames == {1: (0, 2), 3: (5,)}
    assert unannotated.passed_over == {"of completed jobs": 2, "that have annotations": 1}


def test_annotated_frames_if_asked_but_never_completed_jobs():
    jobs = (job(1, [0, 1]), job(2, [2], "completed"))

    unannotated = find_unannotated_frames(task(*jobs), {1: {1}, 2: set()}, annotated_too=True)

    assert unannotated.frames == {1: (0, 1)}


def test_a_frame_of_two_jobs_is_annotated_once_and_not_if_either_has_something():
    jobs = (job(1, [0, 1, 2, 3]), job(2, [2, 3, 4]), job(3, [0], "completed"))

    unannotated = find_unannotated_frames(task(*jobs), {1: set(), 2: {3}, 3: set()}, annotated_too=False)

    assert unannotated.frames == {1: (1, 2), 2: (4,)}
