from dataclasses import replace

from preannotate.cvat.selection import FrameSelectionRules, select_frames
from preannotate.cvat.tasks import Job, Task
from preannotate.formats.cvat_xml import CvatLabel
from preannotate.formats.records import Shape

LABELS = {7: CvatLabel("forklift", "#ff0000")}
BOX = Shape("forklift", "box", (1, 2, 3, 4), source="manual")
AUTO = Shape("forklift", "box", (5, 6, 7, 8), source="auto")
EDITED = Shape("forklift", "box", (5, 6, 7, 8), source="semi-auto")
LINE = Shape("forklift", "polyline", None)
TAG = Shape("forklift", "tag", None)


def job(number, frames, state="in progress", kind="annotation"):
    return Job(number, 12, kind, state, "annotation", "today", tuple(frames), max(frames))


def task(*jobs, number=12, **more):
    return Task(number, "dock", False, 20, "today", "", 0, 1, (), (), frozenset(), LABELS, jobs, **more)


def taken(selection):
    """Job and frame of what is taken, for training and for validation."""
    parts = (selection.training, selection.validation)
    return tuple([(one.job.id, one.frame) for one in part] for part in parts)


def test_annotated_frames_of_every_job_and_empty_ones_of_completed_jobs():
    jobs = (job(1, [0, 1], "completed"), job(2, [2, 3]), job(3, [4, 5], "new"))
    shapes = {1: {0: (BOX,)}, 2: {2: (BOX,)}, 3: {}}

    selection = select_frames([task(*jobs)], shapes, FrameSelectionRules())

    assert taken(selection) == ([(1, 0), (1, 1), (2, 2)], [])
    assert [one.negative for one in selection.training] == [False, True, False]
    assert selection.left_out == {"without annotations, in a job that is not completed": 3}


def test_only_completed_jobs_if_asked():
    jobs = (job(1, [0], "completed"), job(2, [1], "rejected"))

    selection = select_frames([task(*jobs)], {1: {0: (BOX,)}, 2: {1: (BOX,)}}, FrameSelectionRules(completed_jobs=True))

    assert taken(selection) == ([(1, 0)], [])
    assert selection.left_out == {"of a job that is not completed": 1}


def test_frames_with_untouched_automatic_shapes_alone_are_left_out_and_never_negatives():
    shapes = {1: {0: (AUTO,), 1: (AUTO, BOX), 2: (EDITED,)}}

    selection = select_frames([task(job(1, [0, 1, 2], "completed"))], shapes, FrameSelectionRules())

    assert taken(selection) == ([(1, 1), (1, 2)], [])
    assert selection.left_out == {
        "with nothing but shapes that a model drew and nobody changed, in a completed job": 1,
    }
    assert selection.untouched == 1


def test_automatic_shapes_of_completed_jobs_count_as_checked_if_asked():
    shapes = {1: {0: (AUTO,), 1: (AUTO, BOX)}, 2: {2: (AUTO,), 3: (AUTO, BOX)}}
    jobs = [job(1, [0, 1], "completed"), job(2, [2, 3])]

    selection = select_frames([task(*jobs)], shapes, FrameSelectionRules(accept_completed=True))

    assert taken(selection) == ([(1, 0), (1, 1), (2, 3)], [])
    assert [[shape.source for shape in one.shapes] for one in selection.training] == [
        ["semi-auto"],
        ["semi-auto", "manual"],
        ["auto", "manual"],
    ]
    assert selection.left_out == {"with nothing but shapes that a model drew and nobody changed": 1}
    assert selection.untouched == 1


def test_automatic_shapes_are_taken_if_asked():
    selection = select_frames([task(job(1, [0]))], {1: {0: (AUTO,)}}, FrameSelectionRules(include_auto=True))

    assert taken(selection) == ([(1, 0)], [])


def test_frames_with_other_kinds_of_shapes_alone_say_nothing_about_boxes():
    selection = select_frames(
        [task(job(1, [0, 1], "completed"))], {1: {0: (LINE,), 1: (LINE, BOX)}}, FrameSelectionRules()
    )

    assert taken(selection) == ([(1, 1)], [])
    assert selection.left_out == {"with nothing but shapes that are no boxes": 1}


def test_a_tag_is_about_the_whole_frame_which_stays_empty():
    selection = select_frames(
        [task(job(1, [0], "completed"), job(2, [1]))], {1: {0: (TAG,)}, 2: {1: (TAG,)}}, FrameSelectionRules()
    )

    assert taken(selection) == ([(1, 0)], [])
    assert selection.training[0].negative


def test_a_ground_truth_job_is_the_validation_set_and_its_frames_are_not_trained_on():
    jobs = (job(1, [0, 1, 2, 3], "completed"), job(9, [1, 3], "completed", "ground_truth"))
    shapes = {1: {0: (BOX,), 1: (BOX,), 3: (AUTO,)}, 9: {1: (BOX,)}}

    selection = select_frames([task(*jobs)], shapes, FrameSelectionRules())

    assert taken(selection) == ([(1, 0), (1, 2)], [(9, 1), (9, 3)])
    assert [one.negative for one in selection.validation] == [False, True]


def test_frames_that_the_ground_truth_job_has_not_reached_are_trained_on():
    jobs = (job(1, [0, 1]), job(9, [0, 1], "in progress", "ground_truth"))

    selection = select_frames([task(*jobs)], {1: {0: (BOX,), 1: (BOX,)}, 9: {0: (BOX,)}}, FrameSelectionRules())

    assert taken(selection) == ([(1, 1)], [(9, 0)])
    assert selection.left_out == {
        "without annotations, in a job that is not completed": 1,
        "that a ground-truth job holds for validation": 1,
    }


def test_honeypots_of_validation_frames_are_not_trained_on():
    """Frames 2 and 5 of the annotation jobs repeat frame 10 of the pool."""
    jobs = (job(1, [0, 2]), job(2, [4, 5]), job(9, [10], "completed", "ground_truth"))
    shapes = {1: {0: (BOX,), 2: (BOX,)}, 2: {4: (BOX,), 5: (BOX,)}, 9: {10: (BOX,)}}

    selection = select_frames([task(*jobs, real_frames={2: 10, 5: 10})], shapes, FrameSelectionRules())

    assert taken(selection) == ([(1, 0), (2, 4)], [(9, 10)])
    assert selection.left_out == {"that a ground-truth job holds for validation": 2}


def test_honeypots_without_ground_truth_are_taken_once():
    jobs = (job(1, [0, 2], "completed"), job(2, [4, 5]), job(9, [10], "new", "ground_truth"))
    shapes = {1: {2: (BOX,)}, 2: {5: (BOX,)}, 9: {}}

    selection = select_frames([task(*jobs, real_frames={2: 10, 5: 10})], shapes, FrameSelectionRules())

    assert taken(selection) == ([(1, 0), (1, 2)], [])
    assert selection.left_out["that show a picture which is taken already (honeypots, jobs that overlap)"] == 1


def test_a_frame_of_two_jobs_is_taken_where_it_is_annotated_and_completed():
    jobs = (job(1, [0, 1, 2]), job(2, [1, 2, 3], "completed"))
    shapes = {1: {0: (BOX,), 1: (BOX,), 2: (BOX, BOX)}, 2: {1: (BOX, BOX)}}

    selection = select_frames([task(*jobs)], shapes, FrameSelectionRules())

    assert taken(selection) == ([(1, 0), (2, 1), (1, 2), (2, 3)], [])


def test_replicas_are_passed_over():
    jobs = (job(1, [0]), job(5, [0], "completed", "replica"))

    assert taken(select_frames([task(*jobs)], {1: {0: (BOX,)}}, FrameSelectionRules())) == ([(1, 0)], [])


def test_equal_frames_of_two_tasks_are_two_pictures():
    first, second = task(job(1, [0])), task(replace(job(2, [0]), task_id=13), number=13)

    assert taken(select_frames([first, second], {1: {0: (BOX,)}, 2: {0: (BOX,)}}, FrameSelectionRules()))[0] == [
        (1, 0),
        (2, 0),
    ]
