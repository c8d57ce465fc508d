"""A function with a fake engine, the real cvat-sdk and a stand-in of each version: what is chosen, and what is made."""

import csv
import io
import json
import re

import pytest
from PIL import Image
from support.cvat_stand_in import OLD, FakeJob, FakeLabel, FakeTask, rectangle, tag
from support.cvat_stand_in_changes import Changes

from preannotate.active_learning import frame_inference
from preannotate.active_learning.ranking import rank_task
from preannotate.cli.command import COULD_NOT_RUN, INTERRUPTED
from preannotate.cli.main import main
from preannotate.cvat import new_task

CAT, DOG = FakeLabel(7, "Kätzchen & <co>", "rectangle"), FakeLabel(8, "dog", "any")
# The fake engine sees what is red; here the blue of it is the score of a cat.
SCORE = "[[[pixels[0, rows[0], columns[0], 2] / 255, 0.0]]]"


def scene(score, left=8, background=(0, 0, 0)):
    """A picture on which the function finds a cat with this score; None shows nothing."""
    image = Image.new("RGB", (64, 64), background)
    if score is not None:
        image.paste((255, 0, round(score * 255)), (left, 8, left + 20, 40))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def stripes(step):
    """A picture unlike the others."""
    image = Image.new("RGB", (64, 64), (0, 90, 0))
    for x in range(0, 64, step):
        image.paste((60, 255, 60), (x, 0, x + step // 2, 64))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def pets(**more):
    """Frames 0 and 1 are annotated, 2 and 3 hold uncertain cats at one place, 4 is as 1; 5 is another scene."""
    pictures = [scene(0.9), scene(0.9, 40), scene(0.5), scene(0.48), scene(1.0, 40), stripes(8)]
    shapes = [rectangle(0, 7, [8, 8, 28, 40]), rectangle(1, 7, [40, 8, 60, 40])]
    job = FakeJob(40, 0, 5, shapes=shapes)
    images = [(f"{i}.png", picture) for i, picture in enumerate(pictures)]
    return FakeTask(**({"id": 12, "images": images, "labels": [CAT, DOG], "jobs": [job]} | more))


@pytest.fixture
def uncertain_function(function):
    """The function with scores that the images hold."""
    engine = function / "nuclio" / "runtime" / "engines" / "fake.py"
    engine.write_text(engine.read_text().replace("[[[0.9, 0.4]]]", SCORE))
    return function


@pytest.fixture
def run(uncertain_function, capsys, tmp_path):
    """The command on task 12, its output in `out`; what it prints."""

    def command(cvat, *options, expected=0):
        arguments = ["rank", str(uncertain_function), "--task", "12", "--cvat", cvat.url]
        code = main([*arguments, "--output", str(tmp_path / "out"), *options])
        said = capsys.readouterr()
        assert code == expected, said.err
        return said.err if expected == COULD_NOT_RUN else said.out

    return command


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(new_task, "FIRST_WAIT_SECONDS", 0.0)


def ranking(tmp_path):
    return json.loads((tmp_path / "out" / "ranking.json").read_text(encoding="utf-8"))


def test_uncertain_frames_come_first_and_their_near_duplicate_does_not(cvat, run, tmp_path):
    cvat.add(pets())

    said = run(cvat, "--top", "3")

    content = ranking(tmp_path)
    frames = content["frames"]
    assert content["candidates"] == 4
    assert content["annotated"] == 2
    assert frames[0]["frame"] == 2
    assert frames[0]["reasons"] == [
        "a box with a score near the threshold (0.50)", "stands for 1 similar frame without annotations"
    ]  # fmt: skip
    assert frames[0]["link"] == f"{cvat.url}/tasks/12/jobs/40?frame=2"
    assert [one["frame"] for one in frames].index(5) == 1, "another scene before the same cat again"
    assert f"task 12 of {cvat.url}: 3 chosen of 4 frames without annotations; 2 annotated frames" in said
    assert re.search(r"^1 +2 +\d\.\d\d +http://[^ ]+/tasks/12/jobs/40\?frame=2 +a box with a score near", said, re.M)


def test_the_table_for_spreadsheets_holds_no_formula(newest, run, tmp_path):
    task = pets()
    task.images[2] = ('=HYPERLINK("x").png', task.images[2][1])
    newest.add(task)

    run(newest)

    rows = list(csv.DictReader((tmp_path / "out" / "ranking.csv").open(encoding="utf-8-sig")))
    assert rows[0]["image"] == '\'=HYPERLINK("x").png'
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]


def test_frames_that_need_no_annotation_are_left_out(newest, run, tmp_path):
    task = pets()
    task.jobs = [
        FakeJob(40, 0, 2, shapes=[rectangle(0, 7, [8, 8, 28, 40])], tags=[tag(1, 7)]),
        FakeJob(41, 3, 3, "completed"),
        FakeJob(42, 4, 5),
        FakeJob(49, 0, 5, type="ground_truth", included=[5]),
    ]
    newest.add(task)

    said = run(newest)

    # 2 is more uncertain, but similar to 3, on which somebody saw that nothing is there.
    assert [one["frame"] for one in ranking(tmp_path)["frames"]] == [4, 2]
    assert "left out: 1 frame of completed jobs\nleft out: 2 frames that have annotations\n" in said
    assert "left out: 1 frame that a ground-truth job holds for validation\n" in said


def test_a_second_command_downloads_nothing(newest, run, tmp_path):
    newest.add(pets())
    first = run(newest)
    newest.requests.clear()

    assert run(newest) == first
    assert newest.asked("GET /api/tasks/12/data/?") == []


def test_a_stopped_command_goes_on(newest, run, tmp_path):
    newest.add(pets())
    run(newest)
    (cache,) = (tmp_path / "out" / ".cache").glob("detections-*")
    lines = cache.read_text().splitlines(keepends=True)
    cache.write_text("".join(lines[:2]) + lines[2][:20])  # as a killed process leaves it
    newest.requests.clear()

    run(newest)

    assert len(newest.asked("GET /api/tasks/12/data/?")) == 2
    assert len(ranking(tmp_path)["frames"]) == 4


def test_another_model_runs_again(newest, run, uncertain_function):
    newest.add(pets())
    run(newest)
    model = uncertain_function / "nuclio" / "model.json"
    model.write_text(model.read_text().replace('"threshold": 0.5', '"threshold": 0.4'))
    newest.requests.clear()

    run(newest)

    assert len(newest.asked("GET /api/tasks/12/data/?")) == 4, "the annotated frames still look the same"


def test_a_frame_that_cannot_be_read_is_named(newest, run, tmp_path):
    task = pets()
    image = Image.new("RGB", (64, 64), (255, 0, 0))  # the fake engine has no memory for it
    stream = io.BytesIO()
    image.save(stream, "PNG")
    task.images[3] = ("3.png", stream.getvalue()[:-30])
    newest.add(task)

    said = run(newest, expected=1)

    assert "not readable: frame 3: " in said
    assert 3 not in [one["frame"] for one in ranking(tmp_path)["frames"]]


def test_a_new_task_has_the_chosen_images_in_their_order(cvat, run, tmp_path):
    task = cvat.add(pets())
    changes = Changes(cvat)
    cvat.pages.append(changes)

    said = run(cvat, "--top", "2", "--create-task", "next")

    (number,) = changes.uploaded
    assert said.endswith(f"new task: {cvat.url}/tasks/{number}\n")
    assert changes.uploaded[number] == [("1-2.png", task.images[2][1]), ("2-5.png", task.images[5][1])]
    (created,) = changes.created
    assert created["name"] == "next"
    assert [(label["name"], label["type"]) for label in created["labels"]] == [
        ("Kätzchen & <co>", "rectangle"),
        ("dog", "any"),
    ]


def test_a_new_task_belongs_to_the_same_project(cvat, run):
    cvat.projects.append(3)
    cvat.add(pets(project_id=3))
    changes = Changes(cvat)
    cvat.pages.append(changes)

    run(cvat, "--create-task", "next")

    assert changes.created == [{"name": "next", "project_id": 3}]


def test_a_repeat_makes_no_second_task(newest, run):
    newest.add(pets())
    changes = Changes(newest)
    newest.pages.append(changes)
    run(newest, "--create-task", "next")

    said = run(newest, "--create-task", "next")
    another = run(newest, "--create-task", "one more")

    assert len(changes.created) == 2
    assert said.endswith(f"task created earlier: {newest.url}/tasks/13\n")
    assert another.endswith(f"new task: {newest.url}/tasks/14\n")


def test_a_large_image_goes_up_in_parts(cvat, run, monkeypatch):
    monkeypatch.setattr(new_task, "_REQUEST_BYTES", 10)
    task = cvat.add(pets())
    changes = Changes(cvat)
    cvat.pages.append(changes)

    run(cvat, "--top", "1", "--create-task", "next")

    assert changes.uploaded[13] == [("1-2.png", task.images[2][1])]
    assert len(cvat.asked("PATCH /api/tasks/13/data/")) == 1


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            {"refuses": 413},
            "413 for the images of task 13 (no room); expected a response. Check that the URL is CVAT's own.",
        ),
        (
            {"fails": "No media data found"},
            "task 13 could not be made of the images (No media data found); expected frames. "
            "`docker logs --tail 100 cvat_worker_import` shows why.",
        ),
    ],
)
def test_a_half_made_task_is_deleted(cvat, run, harm, message):
    cvat.add(pets())
    changes = Changes(cvat, **harm)
    cvat.pages.append(changes)

    said = run(cvat, "--create-task", "next", expected=COULD_NOT_RUN)

    assert said == f"error: {cvat.url}: {message}\n"
    assert changes.deleted == [13]
    assert 13 not in cvat.tasks


def test_a_task_that_is_never_made_is_given_up(newest, run, monkeypatch):
    monkeypatch.setattr(new_task, "TIMEOUT_SECONDS", 0.0)
    newest.add(pets())
    changes = Changes(newest, busy=1_000_000)
    newest.pages.append(changes)

    said = run(newest, "--create-task", "next", expected=COULD_NOT_RUN)

    assert said == (
        f"error: {newest.url}: task 13 is not made after 0 minutes; expected frames. "
        f"Check that cvat_worker_import runs: docker ps.\n"
    )
    assert changes.deleted == [13]


@pytest.mark.slow
def test_images_that_break_off_are_said(newest, run, monkeypatch):
    monkeypatch.setattr(new_task, "_REQUEST_BYTES", 10)
    newest.add(pets())
    changes = Changes(newest)
    newest.pages.append(changes)
    newest.fail("PATCH /api/tasks/13/data/", "status")

    said = run(newest, "--create-task", "next", expected=COULD_NOT_RUN)

    assert said.endswith(
        f"error: {newest.url}: the images of task 13 did not arrive (Too many upload errors); expected all of them. "
        f"Check the network and the proxy's limits, then try again.\n"
    )
    assert changes.deleted == [13]


@pytest.mark.slow
def test_a_task_that_cannot_be_deleted_is_deleted_by_the_same_command(newest, run):
    newest.add(pets())
    changes = Changes(newest, fails="no")
    newest.pages.append(changes)
    newest.fail("DELETE /api/tasks/13", "status", times=1, status=403)

    said = run(newest, "--create-task", "next", expected=COULD_NOT_RUN)

    assert said == (
        f"error: {newest.url}: task 13 could not be made of the images (no); expected frames. "
        f"`docker logs --tail 100 cvat_worker_import` shows why. "
        f"And the half-made task 13 could not be deleted: the same command tries again.\n"
    )
    newest.fail("DELETE /api/tasks/13", "status", times=1, status=403)
    assert run(newest, "--create-task", "next", expected=COULD_NOT_RUN) == (
        f"error: {newest.url}: 403 for deleting the half-made task 13; expected it gone. Delete it in CVAT.\n"
    )
    changes.fails = ""
    run(newest, "--create-task", "next")
    assert changes.deleted == [13]
    assert list(newest.tasks) == [12, 14]


def test_ctrl_c_leaves_no_half_made_task(newest, run, monkeypatch):
    newest.add(pets())
    changes = Changes(newest)
    newest.pages.append(changes)
    monkeypatch.setattr(new_task, "_wait", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))

    run(newest, "--create-task", "next", expected=INTERRUPTED)

    assert changes.deleted == [13]


def test_a_task_that_a_crash_left_half_made_is_deleted_by_the_next_command(newest, run, tmp_path):
    newest.add(pets())
    changes = Changes(newest)
    newest.pages.append(changes)
    run(newest, "--create-task", "next")
    record = tmp_path / "out" / "created.json"
    record.write_text(record.read_text().replace('"complete": true', '"complete": false'))

    said = run(newest, "--create-task", "next")

    assert changes.deleted == [13]
    assert said.endswith(f"new task: {newest.url}/tasks/14\n")


def test_an_answer_that_is_lost_makes_no_two_tasks(newest, run):
    newest.add(pets())
    changes = Changes(newest)
    newest.pages.append(changes)
    newest.fail("POST /api/tasks", "lost", times=1)

    said = run(newest, "--create-task", "next", expected=COULD_NOT_RUN)

    assert len(changes.created) == 1
    assert said == (
        f"error: {newest.url}: the connection broke off during a new task 'next'; expected the whole response. Check "
        f"the network. Run the same command again to continue.\n"
    )


def test_errors_say_what_to_do(newest, run):
    newest.add(pets(labels=[FakeLabel(9, "boat")], jobs=[FakeJob(40, 0, 5)]))

    assert run(newest, "--create-task", " ", expected=COULD_NOT_RUN) == (
        "error: --create-task: an empty name; expected the name of the new task.\n"
    )
    assert run(newest, expected=COULD_NOT_RUN) == (
        "error: task 12: labels for boxes: boat; expected one of the function's labels: Kätzchen & <co>, dog. "
        "Rename labels in the task or in function.yaml.\n"
    )
    assert frame_inference.MIN_SCORE == 0.05


def test_a_task_without_images_and_a_broken_record_are_said(newest, run, tmp_path):
    task = newest.add(pets(dimension="3d"))
    assert run(newest, expected=COULD_NOT_RUN) == (
        "error: task 12: is three-dimensional; expected images or a video. Name another.\n"
    )
    task.dimension = "2d"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "created.json").write_text("{")
    assert run(newest, "--create-task", "next", expected=COULD_NOT_RUN) == (
        f"error: {tmp_path / 'out' / 'created.json'}: not JSON (Expecting property name enclosed in double quotes: "
        f"line 1 column 2 (char 1)); expected a complete JSON file. Remove the file.\n"
    )


def test_a_video_is_not_looked_at_frame_by_frame(newest, run, tmp_path, monkeypatch):
    monkeypatch.setattr(rank_task, "CANDIDATES_PER_CHOICE", 4)
    film = pets(video=True, images=[("", scene(0.5)) for _ in range(30)], jobs=[FakeJob(40, 0, 29)])
    newest.add(film)

    said = run(newest, "--top", "2")

    assert len(newest.asked("GET /api/tasks/12/data/?")) == 8  # every fourth of 30
    assert "left out: 22 frames between the compared frames of the video\n" in said
    first, second = (one["frame"] for one in ranking(tmp_path)["frames"])
    assert (first, second) == (4, 16)  # each with a neighbour on both sides
    assert ranking(tmp_path)["frames"][0]["image"] == "frame_000004"


def test_frames_of_a_video_become_images_of_a_new_task(newest, run):
    film = newest.add(pets(video=True, start=10, step=5))
    changes = Changes(newest)
    newest.pages.append(changes)

    run(newest, "--top", "2", "--create-task", "next")

    assert [name for name, _ in changes.uploaded[13]] == ["1-frame_000020.png", "2-frame_000035.png"]
    assert [content for _, content in changes.uploaded[13]] == [film.images[2][1], film.images[5][1]]


def test_nothing_to_choose_from_is_no_error(newest, run):
    newest.add(pets(jobs=[FakeJob(40, 0, 5, "completed")]))

    said = run(newest)
    assert run(newest, "--create-task", "next", expected=COULD_NOT_RUN) == (
        "error: task 12: no frame for a new task; expected frames without annotations. Nothing was created.\n"
    )

    assert said.startswith(f"task 12 of {newest.url}: 0 chosen of 0 frames without annotations; 6 annotated frames\n")


def test_both_servers_are_asked_in_their_own_way(cvat, run):
    cvat.add(pets())
    cvat.pages.append(Changes(cvat))

    run(cvat, "--create-task", "next")

    of_the_task, of_the_request = cvat.asked("GET /api/tasks/13/status"), cvat.asked("GET /api/requests/")
    assert (len(of_the_task), len(of_the_request)) == ((2, 0) if cvat.version == OLD else (0, 2))
