from preannotate.cvat.tasks import Job, Task
from preannotate.cvat.unannotated_frames import find_unannotated_frames


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
