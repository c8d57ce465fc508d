"""Lists of both versions of CVAT: pages, search, counts by the rules of pull, pictures."""

import os
import re

import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, Response, key_frame, picture, rectangle, tag, track

from preannotate.cvat.errors import CvatError
from preannotate.studio import catalogue as catalogue_module
from preannotate.studio import training_preview
from preannotate.studio.catalogue import PAGE_SIZE, PreviewCache
from preannotate.studio.errors import StudioError

FORKLIFT, PERSON, POSE = FakeLabel(7, "forklift"), FakeLabel(8, "person", "rectangle"), FakeLabel(9, "pose", "points")


@pytest.fixture
def server(studio, cvat, login):
    """Id of the saved server."""
    return studio.servers.add("", cvat.url, **login).id


def images(count):
    return [(f"{number}.png", picture(number)) for number in range(count)]


def dock(**more):
    """Six frames: two with boxes, one with a model's box, one with a tag; the second job is completed."""
    jobs = [
        FakeJob(
            40,
            0,
            3,
            shapes=[
                rectangle(0, 7, [1, 2, 31, 42]),
                rectangle(0, 8, [5, 5, 15, 15]),
                rectangle(1, 7, [0, 0, 16, 16]),
                rectangle(2, 7, [0, 0, 10, 10], source="auto"),
            ],
            tags=[tag(3, 8)],
        ),
        FakeJob(41, 4, 5, state="completed", stage="acceptance"),
    ]
    return FakeTask(**{"id": 12, "images": images(6), "labels": [FORKLIFT, PERSON, POSE], "jobs": jobs} | more)


def test_tasks_come_with_what_a_list_shows(studio, cvat, server):
    cvat.projects.append(3)
    cvat.add(dock(project_id=3))
    cvat.add(FakeTask(13, [], [FORKLIFT], [], name="empty"))
    page = studio.catalogue.tasks(server)

    assert (page.number, page.pages, page.count) == (1, 1, 2)
    empty, task = page.entries
    assert (task.id, task.name, task.project_id, task.project) == (12, "dock", 3, "project 3")
    assert (task.frames, task.video, task.jobs, task.accepted, task.problem) == (6, False, 2, 1, None)
    assert (empty.project_id, empty.project, empty.problem) == (None, "", "has no frames")


def test_search_and_pages_are_the_servers_own(studio, cvat, server):
    for number in range(1, PAGE_SIZE + 6):
        cvat.add(FakeTask(number, images(1), [FORKLIFT], [], name=f"{'Dock' if number % 2 else 'yard'} {number}"))
    second = studio.catalogue.tasks(server, page=2)

    assert [one.id for one in second.entries] == [5, 4, 3, 2, 1]
    assert (second.number, second.pages, second.count) == (2, 2, PAGE_SIZE + 5)
    assert studio.catalogue.tasks(server, page=99) == second
    assert {one.id % 2 for one in studio.catalogue.tasks(server, search="  dock ").entries} == {1}
    assert studio.catalogue.tasks(server, search="nothing of the kind").entries == ()


def test_tasks_of_a_project(studio, cvat, server):
    cvat.projects += [3, 4]
    cvat.add(dock(project_id=3))
    cvat.add(FakeTask(13, images(1), [FORKLIFT], [], project_id=4))

    assert [one.id for one in studio.catalogue.tasks(server, project=3).entries] == [12]
    assert list(studio.catalogue.projects(server).items()) == [(4, "project 4"), (3, "project 3")]


def test_counts_are_those_of_a_training(studio, cvat, server):
    cvat.add(dock())
    found = studio.catalogue.detail(server, [12])

    assert found.boxes == {"forklift": 2, "person": 1}
    assert [(label.name, label.boxes, label.learnable) for label in found.labels] == [
        ("forklift", 2, True),
        ("person", 1, True),
        ("pose", 0, False),
    ]
    assert (found.annotated_frames, found.empty_frames, found.automatic) == (2, 2, 1)
    assert found.left_out == {
        "with nothing but shapes that a model drew and nobody changed": 1,
        "without annotations, in a job that is not completed": 1,
    }
    assert (found.counted_jobs, found.all_jobs, found.problem) == (2, 2, None)
    assert found.image_size == (64, 48)
    assert sorted(found.sides) == [10.0, 16.0, pytest.approx(34.6)]


def test_a_track_counts_in_each_frame(studio, cvat, server):
    keys = (key_frame(0, [0, 0, 10, 10]), key_frame(3, [30, 0, 40, 10], outside=True))
    cvat.add(FakeTask(5, images(4), [FORKLIFT], [FakeJob(50, 0, 3, tracks=[track(7, *keys)])], video=True))

    assert studio.catalogue.detail(server, [5]).boxes == {"forklift": 3}


def test_annotations_are_asked_for_again_only_when_they_changed(studio, cvat, server):
    task = cvat.add(dock())
    studio.catalogue.detail(server, [12])
    assert studio.catalogue.detail(server, [12]).boxes["forklift"] == 2
    assert len(cvat.asked("GET /api/jobs/40/annotations")) == 1

    task.jobs[0].shapes.append(rectangle(1, 7, [20, 20, 40, 40]))
    task.jobs[0].updated = "2026-11-03T10:00:00.000000Z"
    assert studio.catalogue.detail(server, [12]).boxes["forklift"] == 3
    assert len(cvat.asked("GET /api/jobs/40/annotations")) == 2
    assert len(cvat.asked("GET /api/jobs/41/annotations")) == 1


def test_very_many_jobs_are_not_all_counted(studio, cvat, server, monkeypatch):
    monkeypatch.setattr(training_preview, "MOST_JOBS", 1)
    cvat.add(dock())
    found = studio.catalogue.detail(server, [12])

    assert (found.counted_jobs, found.all_jobs) == (1, 2)
    assert found.boxes == {"forklift": 2, "person": 1}
    assert cvat.asked("GET /api/jobs/41/annotations") == []


def test_several_tasks_and_projects_as_one(studio, cvat, server):
    cvat.projects.append(3)
    cvat.add(dock())
    yard = FakeJob(60, 0, 0, shapes=[rectangle(0, 17, [0, 0, 9, 9])])
    cvat.add(FakeTask(13, images(1), [FakeLabel(17, "pallet")], [yard], project_id=3))
    cvat.add(FakeTask(14, [], [FORKLIFT], [], project_id=3))
    found = studio.catalogue.detail(server, (12,), (3,))

    assert found.boxes == {"forklift": 2, "person": 1, "pallet": 1}
    assert found.summary.id == 12
    assert [label.name for label in found.labels] == ["forklift", "person", "pose", "pallet"]


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (
            dock(jobs=[FakeJob(40, 0, 5)]),
            "task 12: no boxes to learn from; expected some. Draw boxes in CVAT and save them.",
        ),
        (
            dock(labels=[POSE], jobs=[FakeJob(40, 0, 5)]),
            "task 12: no label for boxes (pose (points)); expected one of the type rectangle or any. Add it in CVAT.",
        ),
        (
            dock(labels=[], jobs=[FakeJob(40, 0, 5)]),
            "task 12: no labels; expected at least one for rectangles. Add it in CVAT.",
        ),
        (
            dock(dimension="3d"),
            "task 12: is three-dimensional; expected images or a video. Choose another task.",
        ),
    ],
)
def test_why_nothing_can_be_learnt(studio, cvat, server, task, sentence):
    cvat.add(task)

    assert studio.catalogue.detail(server, [12]).problem == sentence


def test_a_picture_is_fetched_once_and_again_when_the_task_changed(studio, cvat, server):
    task = cvat.add(dock())
    studio.catalogue.tasks(server)
    content, kind = studio.catalogue.preview(server, 12)
    assert (content, kind) == (picture(0), "image/png")
    assert studio.catalogue.preview(server, 12)[0] == content
    assert len(cvat.asked("GET /api/tasks/12/preview")) == 1

    task.updated = "2026-11-04T10:00:00.000000Z"
    studio.catalogue.tasks(server)
    studio.catalogue.preview(server, 12)
    assert len(cvat.asked("GET /api/tasks/12/preview")) == 2
    assert len(list((studio.workspace.path / "studio" / "previews").iterdir())) == 1


def test_a_picture_that_is_none(studio, cvat, server):
    cvat.add(dock(images=[("a.svg", b"<svg onload='alert(1)'/>")] * 6))
    with pytest.raises(
        StudioError, match=re.escape("task 12: preview of 24 bytes is not an image; expected JPEG, PNG or WebP.")
    ):
        studio.catalogue.preview(server, 12)


def test_the_picture_of_a_task_that_is_not_there(studio, server):
    with pytest.raises(CvatError, match="404, task 99 not found for this user"):
        studio.catalogue.preview(server, 99)


def test_an_answer_of_another_form(studio, cvat, server):
    odd = Response(200, {"count": 1, "results": [{}]})
    cvat.pages.insert(0, lambda request: odd if request.path == "/api/tasks" else None)

    with pytest.raises(CvatError, match=r"tasks: results\[0\].id is missing; expected a whole number"):
        studio.catalogue.tasks(server)


def test_a_picture_that_is_cut_off_is_asked_for_again(studio, cvat, server):
    cvat.add(dock())
    cvat.fail("/api/tasks/12/preview", "vanish", times=1)

    assert studio.catalogue.preview(server, 12)[0] == picture(0)


def test_annotations_that_do_not_come_are_not_counted_as_none(studio, cvat, server):
    cvat.add(dock())
    cvat.fail("/api/jobs/40/annotations", "status")
    with pytest.raises(CvatError, match="500 for annotations of job 40, CVAT failed"):
        studio.catalogue.detail(server, [12])

    cvat.faults.clear()
    assert studio.catalogue.detail(server, [12]).boxes["forklift"] == 2


PNG, JPEG = b"\x89PNG\r\n\x1a\n...", b"\xff\xd8\xff..."


def test_the_ones_not_looked_at_for_longest_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue_module, "MOST_FILES", 2)
    previews = PreviewCache(tmp_path)
    for number in (1, 2):
        previews.picture(1, number, "monday", lambda: PNG)
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    previews.picture(1, 1, "monday", lambda: pytest.fail("it is there"))
    previews.picture(1, 3, "monday", lambda: JPEG)

    assert sorted(path.name.split("-")[1] for path in tmp_path.iterdir()) == ["1", "3"]
    assert previews.picture(1, 3, "monday", lambda: PNG) == (JPEG, "image/jpeg")


@pytest.mark.parametrize("content", [b"", b"<html>", b"GIF89a", b"<svg/>"])
def test_what_is_no_picture_is_not_kept(tmp_path, content):
    with pytest.raises(StudioError, match=rf"^task 7: preview of {len(content)} bytes is not an image;"):
        PreviewCache(tmp_path).picture(1, 7, "monday", lambda: content)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_is_none_of_a_list(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue_module, "MOST_BYTES", 10)
    with pytest.raises(StudioError, match="task 7: preview of 11 bytes is not an image"):
        PreviewCache(tmp_path).picture(1, 7, "monday", lambda: PNG)
