"""Frames that nobody annotated, on the stand-in with the real `serve`: which get boxes, by whom, and never twice."""

import threading

import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, rectangle
from support.cvat_stand_in_functions import FakeRequest, wait_until
from support.pipeline import LABELS, red, write_function

from preannotate.cvat.connection import connect
from preannotate.cvat.errors import CvatError
from preannotate.cvat.functions import Functions
from preannotate.cvat.login import Login
from preannotate.pipeline import auto_annotation
from preannotate.pipeline.auto_annotation import AutoAnnotationResult, AutoAnnotator


@pytest.fixture(scope="module")
def directory(served):
    """The function `filler`, which stays while these tests run; each other test has its own."""
    return write_function(served[0], "filler")


@pytest.fixture
def make(served, directory):
    """A filler for a stand-in, once `serve` has the function; what it said it was doing."""

    def make(cvat, function="filler"):
        cvat.functions.dashboard = served[1]
        server = connect(Login(url=cvat.url))
        functions, said = Functions(server), []
        wait_until(lambda: "filler" in functions.listed())
        labels = dict.fromkeys(LABELS, "rectangle")
        return AutoAnnotator(server, functions, function, directory, labels, said.append), said

    return make


def pets(jobs, count=10, **more):
    images = [(f"{i}.png", red((i, 8, i + 20, 40))) for i in range(count)]
    return FakeTask(12, images, [FakeLabel(7, "cat", "rectangle"), FakeLabel(8, "dog", "points")], jobs, **more)


def boxes(job):
    return sorted(shape["frame"] for shape in job.shapes if shape["source"] == "auto")


def fill(filler):
    filled = AutoAnnotationResult()
    filler.annotate_rest(12, filled)
    return filled


def mine(frame):
    return rectangle(frame, 7, [1, 1, 9, 9])


def test_whole_jobs_by_cvat_and_begun_ones_by_this_machine(cvat, make):
    jobs = [
        FakeJob(40, 0, 2),
        FakeJob(41, 3, 5, shapes=[mine(4)]),
        FakeJob(42, 6, 7, "completed"),
        FakeJob(43, 8, 9),
        FakeJob(49, 0, 9, type="ground_truth", included=[1]),
    ]
    task = cvat.add(pets(jobs))
    filler, said = make(cvat)

    filled = fill(filler)

    assert [boxes(job) for job in jobs] == [[0, 1, 2], [3, 5], [], [8, 9], []]
    assert [request.job for request in cvat.functions.requests] == [40, 43]
    assert (filled.frames, filled.boxes, filled.jobs) == (7, 7, 2)
    assert filled.notes == ["label 'dog' of task 12 is of the type points: its boxes are left out."]
    assert said[-1] == "task 12: 2 of 2 frames by this machine"
    assert [line for line in said if line.endswith(("job 40", "job 43"))] == [
        "task 12: CVAT annotates job 40",
        "task 12: CVAT annotates job 43",
    ]

    before = [list(job.shapes) for job in task.jobs]
    fill(filler)

    assert [job.shapes for job in task.jobs] == before


def test_a_frame_that_two_jobs_share_gets_its_boxes_once(newest, make):
    task = newest.add(pets([FakeJob(40, 0, 5), FakeJob(41, 4, 9)]))

    fill(make(newest)[0])

    assert [boxes(job) for job in task.jobs] == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]]


def test_deleted_frames_do_not_count(newest, make):
    task = newest.add(pets([FakeJob(40, 0, 9)], deleted=[3]))

    fill(make(newest)[0])

    assert boxes(task.jobs[0]) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert len(newest.functions.requests) == 1


def test_a_request_that_fails_leaves_the_rest_to_this_machine(newest, make):
    task = pets([FakeJob(40, 0, 9)])
    task.images[3] = ("3.png", b"no image")
    newest.add(task)
    newest._meta = lambda _: META  # which an image that is none cannot give
    filler, _ = make(newest)

    filled = fill(filler)

    assert boxes(task.jobs[0]) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert filled.notes[0] == (
        "job 40: CVAT's automatic annotation ended as 'failed' (requests.exceptions.HTTPError: HTTP Error 400: Bad "
        "Request); the rest was done by this machine."
    )
    assert filled.notes[-1] == (
        "frame 3 of task 12: not read, frame 3 of task 12 is no image; expected one. Look at it in CVAT; delete the "
        "frame there if it is broken."
    )


META = {
    "chunk_size": 72, "size": 10, "image_quality": 70, "start_frame": 0, "stop_frame": 9, "frame_filter": "",
    "frames": [{"width": 64, "height": 64, "name": f"{i}.png", "related_files": 0} for i in range(10)],
    "deleted_frames": [], "included_frames": None, "chunks_updated_date": "", "storage": "local",
}  # fmt: skip


def test_somebody_elses_request_is_waited_for_and_its_boxes_are_not_doubled(newest, make):
    task = newest.add(pets([FakeJob(40, 0, 4), FakeJob(41, 5, 9)]))
    filler, said = make(newest)
    newest.functions.hold.clear()
    other = filler.functions.start("filler", 12, 40, {"cat": {"name": "cat", "attributes": {}}})
    waiting = threading.Thread(target=fill, args=(filler,))
    waiting.start()
    wait_until(lambda: len(said) > 3)
    assert said[0] == "task 12: waiting for an automatic annotation of job 40 with filler"
    assert said[1] == "task 12: waiting for an automatic annotation of job 40 with filler (waits in CVAT's queue)"
    assert len(newest.functions.requests) == 1

    newest.functions.hold.set()
    waiting.join(60)

    assert [boxes(job) for job in task.jobs] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert filler.functions.request(other.id).status == "finished"


def test_a_request_that_comes_first_at_the_last_moment(newest, make, monkeypatch):
    task = newest.add(pets([FakeJob(40, 0, 9)]))
    filler, _ = make(newest)
    newest.functions.hold.clear()
    calls = []
    real = AutoAnnotator._wait_for_others

    def late(self, number):
        if calls:
            newest.functions.hold.set()
        real(self, number)
        if not calls:
            calls.append(filler.functions.start("filler", 12, 40, {"cat": {"name": "cat", "attributes": {}}}))

    monkeypatch.setattr(AutoAnnotator, "_wait_for_others", late)

    filled = fill(filler)

    assert boxes(task.jobs[0]) == list(range(10))
    assert filled.notes[0] == "job 40: another automatic annotation of task 12 was started before."


def test_one_that_does_not_get_on_is_not_waited_for_for_ever(newest, make, monkeypatch):
    newest.add(pets([FakeJob(40, 0, 9)]))
    filler, _ = make(newest)
    monkeypatch.setattr(auto_annotation, "BUSY_SECONDS", 0.1)
    newest.functions.requests.append(FakeRequest("a/b", "yolo", 12, None, {}, thread=threading.Thread()))

    with pytest.raises(CvatError) as caught:
        fill(filler)

    assert str(caught.value) == (
        f"{newest.url}: an automatic annotation of task 12 with yolo has made no progress for 0.1 s; expected it to "
        f"finish. Check cvat_worker_annotation, or cancel it in CVAT. The same command continues with the frames "
        f"without annotations."
    )
    newest.functions.requests.clear()


def test_a_stop_cancels_the_request(newest, make):
    task = newest.add(pets([FakeJob(40, 0, 9)]))
    filler, _ = make(newest)
    newest.functions.hold.clear()

    def stopped(line):
        if "CVAT annotates" in line:
            raise KeyboardInterrupt

    object.__setattr__(filler, "detail", stopped)
    with pytest.raises(KeyboardInterrupt):
        fill(filler)
    assert newest.functions.requests == []

    newest.functions.hold.set()
    object.__setattr__(filler, "detail", lambda _: None)
    fill(filler)

    assert boxes(task.jobs[0]) == list(range(10))


def test_one_that_somebody_cancels_leaves_the_rest_to_this_machine(newest, make):
    task = newest.add(pets([FakeJob(40, 0, 9)]))
    filler, _ = make(newest)
    newest.functions.hold.clear()

    def cancel(line):
        newest.functions.requests.clear()
        newest.functions.hold.set()

    object.__setattr__(filler, "detail", cancel)
    filled = fill(filler)

    assert filled.notes[0] == "job 40: CVAT's automatic annotation was cancelled; the rest was done by this machine."
    assert boxes(task.jobs[0]) == list(range(10))


def test_a_cvat_without_functions_is_annotated_by_this_machine(newest, make):
    task = newest.add(pets([FakeJob(40, 0, 9)]))
    filler, _ = make(newest)
    object.__setattr__(filler, "function", None)
    newest.functions.status = 404

    fill(filler)

    assert boxes(task.jobs[0]) == list(range(10))


@pytest.fixture(scope="module")
def masks(served):
    """A function that gives masks of cats and polygons of dogs."""
    return write_function(served[0], "masks", label_types=("mask", "polygon"), threshold=0.3)


@pytest.mark.parametrize(
    ("types", "stored", "by_cvat"),
    [
        (("mask", "rectangle"), ["mask"], 2),
        (("polygon", "polygon"), ["polygon", "polygon"], 2),
        (("any", "any"), ["mask", "polygon"], 2),
        (("polygon", "mask"), ["mask", "polygon"], 0),
    ],
)
def test_each_label_gets_masks_or_polygons(cvat, served, masks, types, stored, by_cvat):
    labels = [FakeLabel(7, "cat", types[0]), FakeLabel(8, "dog", types[1])]
    images = [(f"{left}.png", red((left, 8, 24, 40))) for left in (4, 5)]
    task = cvat.add(FakeTask(12, images, labels, [FakeJob(40, 0, 0), FakeJob(41, 1, 1)]))
    cvat.functions.dashboard = served[1]
    server = connect(Login(url=cvat.url))
    functions = Functions(server)
    wait_until(lambda: "masks" in functions.listed())
    filler = AutoAnnotator(server, functions, "masks", masks, {"cat": "mask", "dog": "polygon"}, lambda line: None)

    filled = fill(filler)

    assert (filled.jobs, filled.frames, filled.boxes) == (by_cvat, 2, 2 * len(stored))
    for job in task.jobs:
        assert sorted(shape["type"] for shape in job.shapes) == stored
    sentence = (
        "task 12: CVAT does not give each of its labels masks or polygons by its type: this machine did all of it."
    )
    assert filled.notes.count(sentence) == (not by_cvat)
