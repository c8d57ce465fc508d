"""Every field that is read from CVAT is checked: whatever stands there, there is a result or one sentence."""

import copy
import functools
import math

import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, key_frame, picture, rectangle, track

from preannotate.cvat import server as server_module
from preannotate.cvat.connection import connect
from preannotate.cvat.errors import CvatError
from preannotate.cvat.login import Login
from preannotate.cvat.response_checks import ANNOTATIONS, JOB, TASK, checked, page_of
from preannotate.cvat.selection import FrameSelectionRules, PullScope, plan_pull, select_frames
from preannotate.cvat.shapes import shapes_of_frames

TASK_JSON = {"id": 12, "name": "dock", "updated_date": "2026-11-29"}
JOB_JSON = {
    "id": 40, "task_id": 12, "state": "new", "stage": "annotation", "start_frame": 0, "stop_frame": 5,
    "updated_date": "2026-11-29",
}  # fmt: skip
ADVICE = "Check whether the server is CVAT 2.15 or newer, and whether something on the way changes its responses."


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"id": 12, "name": "dock"}, "updated_date is missing; expected text of at most 4096 characters"),
        (TASK_JSON | {"id": "12"}, "id is '12'; expected a whole number from 0 on"),
        (TASK_JSON | {"id": True}, "id is True; expected a whole number from 0 on"),
        (TASK_JSON | {"size": -1}, "size is -1; expected a whole number from 0 to 5184000"),
        (TASK_JSON | {"size": 10**30}, f"size is {10**30}; expected a whole number from 0 to 5184000"),
        (TASK_JSON | {"name": ["a"]}, "name is a list; expected text of at most 4096 characters"),
        (TASK_JSON | {"jobs": {"count": "1"}}, "jobs.count is '1'; expected a whole number from 0 on"),
        ([], "it is a list; expected an object"),
        (None, "it is None; expected an object"),
    ],
)
def test_a_sentence_names_server_and_field(content, problem):
    with pytest.raises(CvatError) as caught:
        checked("http://cvat", "task 12", content, TASK)
    assert str(caught.value) == f"http://cvat: task 12: {problem}. {ADVICE}"


def test_what_was_found_is_short_and_escaped():
    with pytest.raises(CvatError) as caught:
        checked("http://cvat", "task 12", TASK_JSON | {"id": "\x1b[31m\u202e" + "a" * 1_000_000}, TASK)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("optional", [{}, {"size": None, "mode": None, "project_id": None}])
def test_fields_that_servers_leave_out(optional):
    content = TASK_JSON | optional
    assert checked("http://cvat", "task 12", content, TASK) is content


@pytest.mark.parametrize(
    "odd",
    [
        {"frame": -1}, {"frame": 2.5}, {"frame": 10**9}, {"label_id": None}, {"points": [math.nan, 1, 2, 3]},
        {"points": "1234"}, {"points": [1, 2, 3, True]}, {"points": [[1, 2]]}, {"type": 4}, {"rotation": math.inf},
    ],
)  # fmt: skip
def test_shapes(odd):
    shape = rectangle(0, 7, [1.0, 2.0, 3.0, 4.0])
    good = {"tags": [], "shapes": [shape], "tracks": [track(7, key_frame(0, [1.0, 2.0, 3.0, 4.0]))]}
    assert not ANNOTATIONS(good, "")
    assert ANNOTATIONS(good | {"shapes": [shape, shape | odd]}, "").startswith(f"shapes[1].{next(iter(odd))}")


def test_pages():
    assert not page_of(JOB)({"results": [JOB_JSON], "next": None}, "")
    assert page_of(JOB)({"results": {}}, "") == "results is an object; expected a list"


@pytest.fixture
def server(newest):
    shapes = [rectangle(0, 7, [1, 2, 30, 40]), rectangle(1, 8, [1, 2, 3, 4, 5, 6], type="polygon")]
    job = FakeJob(40, 0, 1, shapes=shapes, tracks=[track(7, key_frame(0, [1, 2, 30, 40]))])
    labels = [FakeLabel(7, "forklift"), FakeLabel(8, "cat")]
    newest.add(FakeTask(12, [("a.png", picture(0)), ("b.png", picture(1))], labels, [job]))
    return connect(Login(url=newest.url))


def pull(server):
    plan = plan_pull(server, PullScope(tasks=(12,)))
    shapes = {}
    for task in plan.tasks:
        for job in task.jobs:
            annotations = server.annotations_of_job(job.id)
            with server.parsing_response("annotations"):
                shapes[job.id] = shapes_of_frames(task, job, annotations)
    selection = select_frames(plan.tasks, shapes, FrameSelectionRules())
    return [taken.task.image_size(taken.frame) for taken in selection.training]


def places(content, path=()):
    """Paths to everything in JSON."""
    if path:
        yield path
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def changed(content, path, value):
    content = copy.deepcopy(content)
    parent = content
    for key in path[:-1]:
        parent = parent[key]
    if value is places:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return content


def answer(answers, what, *_, **__):
    if what not in answers:
        raise CvatError(f"404, {what} not found.")
    return answers[what]


def test_whatever_stands_in_a_field(server, monkeypatch):
    recorded = {}
    real = server.requests.json

    def record(what, *arguments, **options):
        recorded[what] = real(what, *arguments, **options)
        return recorded[what]

    monkeypatch.setattr(server.requests, "json", record)
    assert len(pull(server)) == 2
    count = 0
    for what, content in recorded.items():
        for path in places(content):
            for odd in (places, None, -1, 3, 10**15, 1e300, "\x1b[31m", "", [], {}, [None], {"id": 5}, True):
                content_with = changed(content, path, odd)
                monkeypatch.setattr(server.requests, "json", functools.partial(answer, recorded | {what: content_with}))
                try:
                    pull(server)
                except CvatError as error:
                    assert str(error).isprintable(), (what, path, odd)
                count += 1
    assert count > 1000


def test_a_list_without_end(server, monkeypatch):
    page = {"results": [JOB_JSON], "next": "http://cvat/api/jobs?page=2"}
    monkeypatch.setattr(server.requests, "json", lambda *_, **__: page)

    with pytest.raises(CvatError) as caught:
        server.jobs_of_task(12)

    assert str(caught.value) == (
        f"{server.url}: jobs of task 12: page 2 has nothing new and names another page; expected a list that ends. "
        f"Check whether something on the way changes CVAT's responses."
    )


def test_a_list_that_is_too_long(server, monkeypatch):
    monkeypatch.setattr(server_module, "_MAX_PAGES", 3)
    monkeypatch.setattr(
        server.requests,
        "json",
        lambda *_, page, **__: {"results": [JOB_JSON | {"id": page}], "next": "http://cvat/api/jobs"},
    )

    with pytest.raises(CvatError, match=r"jobs of task 12: more than 1500; expected at most that\."):
        server.jobs_of_task(12)


@pytest.mark.parametrize(("start", "stop"), [(0, 2), (1, 0), (0, 5_000_000)])
def test_frames_that_the_task_does_not_have(server, newest, start, stop):
    newest.tasks[12].jobs[0].start, newest.tasks[12].jobs[0].stop = start, stop

    with pytest.raises(CvatError, match=rf"task 12: job 40 has the frames {start} to {stop}; expected frames of the"):
        plan_pull(server, PullScope(tasks=(12,)))
