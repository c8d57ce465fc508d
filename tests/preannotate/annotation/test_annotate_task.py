"""A function with a fake engine, the real cvat-sdk and a stand-in of each version: what is in the task afterwards."""

import copy
import io

import numpy as np
import pytest
from cvat_sdk.masks import decode_mask
from PIL import Image
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, key_frame, rectangle, track

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.cvat import images as frames
from preannotate.cvat import requests

CAT = FakeLabel(7, "Kätzchen & <co>", "rectangle")


def red(box, size=(64, 64)):
    """A black picture with one red box: the fake engine finds it."""
    image = Image.new("RGB", size)
    if box is not None:
        image.paste((255, 0, 0), box)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def pets(count=4, **more):
    """Images with a box that begins at their number; the last is empty."""
    images = [(f"{i}.png", red((i, 8, i + 20, 40) if i < count - 1 else None)) for i in range(count)]
    return FakeTask(**({"id": 12, "images": images, "labels": [CAT], "jobs": [FakeJob(40, 0, count - 1)]} | more))


@pytest.fixture
def run(function, capsys):
    """The command on task 12; what it prints."""

    def command(cvat, *options, expected=0):
        code = main(["annotate", str(function), "--task", "12", "--cvat", cvat.url, *options])
        said = capsys.readouterr()
        assert code == expected, said.err
        return said.err if expected == COULD_NOT_RUN else said.out

    return command


def boxes(job):
    """Frame and points of the automatic shapes."""
    return sorted((shape["frame"], shape["points"]) for shape in job.shapes if shape["source"] == "auto")


def test_empty_frames_get_the_boxes_of_the_function(cvat, run):
    task = cvat.add(pets())

    said = run(cvat)

    assert boxes(task.jobs[0]) == [(i, [i, 8, i + 20, 40]) for i in range(3)]
    assert {shape["label_id"] for shape in task.jobs[0].shapes} == {7}
    assert said == (
        f"task 12 of {cvat.url}: 4 frames annotated with 3 objects, nothing detected on 1\n"
        "note: task 12 has no label 'dog': its boxes are left out.\n"
    )


def test_what_people_made_is_not_touched(newest, run):
    task = pets(6)
    mine = rectangle(0, 7, [1, 1, 2, 2])
    seen_once = track(7, key_frame(1, [0, 0, 5, 5]), key_frame(2, [0, 0, 5, 5], outside=True))
    task.jobs = [
        FakeJob(40, 0, 2, shapes=[mine], tracks=[seen_once]),
        FakeJob(41, 3, 3, "completed"),
        FakeJob(42, 4, 5),
        FakeJob(49, 0, 5, type="ground_truth", included=[4]),
    ]
    newest.add(task)
    before = copy.deepcopy([(job.shapes, job.tracks) for job in task.jobs])

    said = run(newest)

    assert [boxes(job) for job in task.jobs] == [[], [], [(4, [4, 8, 24, 40])], []]
    for job, (shapes, tracks) in zip(task.jobs, before, strict=True):
        assert (job.shapes[: len(shapes)], job.tracks) == (shapes, tracks)
    assert "left out: 1 frame of completed jobs\nleft out: 3 frames that have annotations\n" in said


def test_annotated_frames_get_boxes_beside_theirs_if_asked(newest, run):
    task = pets()
    task.jobs[0].shapes.append(rectangle(0, 7, [1, 1, 2, 2]))
    newest.add(task)

    run(newest, "--annotated-frames")

    assert len(task.jobs[0].shapes) == 4
    assert boxes(task.jobs[0])[0] == (0, [0, 8, 20, 40])


def test_a_second_run_has_little_to_do(newest, run):
    task = newest.add(pets())
    run(newest)
    newest.requests.clear()

    said = run(newest)

    assert len(task.jobs[0].shapes) == 3
    assert len(newest.asked("GET /api/tasks/12/data/?")) == 1  # of the frame on which nothing was found
    assert newest.asked("PATCH") == []
    assert "left out: 3 frames that have annotations\n" in said


def test_nothing_to_do_starts_no_function(newest, run, function):
    newest.add(pets(jobs=[FakeJob(40, 0, 3, "completed")]))
    (function / "nuclio" / "model.json").unlink()

    assert run(newest) == (
        f"task 12 of {newest.url}: 0 frames annotated with 0 objects, nothing detected on 0\n"
        "left out: 4 frames of completed jobs\n"
    )


def test_the_score_is_kept_in_a_number_attribute(newest, run):
    attributes = [
        {"id": 20, "name": "kind", "input_type": "select", "values": ["a", "b"], "default_value": "b"},
        {"id": 21, "name": "sure", "input_type": "number", "values": ["0", "100", "1"], "default_value": "0"},
    ]
    task = newest.add(pets(2, labels=[FakeLabel(7, CAT.name, "any", attributes=attributes)]))

    run(newest, "--confidence-attribute", "sure")

    assert task.jobs[0].shapes[0]["attributes"] == [{"spec_id": 20, "value": "b"}, {"spec_id": 21, "value": "90"}]


def test_a_threshold_of_ones_own(newest, run):
    task = newest.add(pets(2, labels=[CAT, FakeLabel(8, "dog")]))

    run(newest, "--threshold", "0.3")

    assert sorted(shape["label_id"] for shape in task.jobs[0].shapes) == [7, 8]


def test_boxes_go_up_batch_by_batch(newest, run, monkeypatch):
    monkeypatch.setattr(frames, "FRAMES_PER_BATCH", 2)
    task = pets(7)
    task.jobs = [FakeJob(40, 0, 4), FakeJob(41, 5, 6)]
    newest.add(task)

    run(newest)

    assert len(newest.asked("PATCH /api/jobs/40/annotations/?action=create")) == 3
    assert len(newest.asked("PATCH /api/jobs/41/annotations/?action=create")) == 1
    assert [frame for job in task.jobs for frame, _ in boxes(job)] == [0, 1, 2, 3, 4, 5]


def test_a_run_that_fails_in_the_middle_goes_on(newest, run, monkeypatch):
    monkeypatch.setattr(frames, "FRAMES_PER_BATCH", 2)
    task = newest.add(pets(7))
    newest.fail("/api/tasks/12/data/?number=5", "cut", times=requests.ATTEMPTS)

    assert run(newest, expected=COULD_NOT_RUN) == (
        f"error: {newest.url}: the connection broke off during frame 5 of task 12; expected the whole response. "
        f"Check the network. Run the same command again to continue.\n"
    )
    done = [frame for frame, _ in boxes(task.jobs[0])]
    run(newest)

    assert done == [0, 1, 2, 3]
    assert [frame for frame, _ in boxes(task.jobs[0])] == [0, 1, 2, 3, 4, 5]


def test_boxes_whose_upload_was_answered_by_nobody_are_not_there_twice(cvat, run):
    task = cvat.add(pets())
    cvat.fail("PATCH /api/jobs/40/annotations/", "lost", times=1)

    run(cvat)

    assert [frame for frame, _ in boxes(task.jobs[0])] == [0, 1, 2]
    assert len(cvat.asked("PATCH")) == 1


def test_nor_beside_annotations_that_were_there(newest, run):
    task = newest.add(pets())
    run(newest)
    newest.fail("PATCH /api/jobs/40/annotations/", "lost", times=1)

    run(newest, "--annotated-frames")

    assert [frame for frame, _ in boxes(task.jobs[0])] == [0, 0, 1, 1, 2, 2]


def test_an_upload_that_failed_is_tried_again(newest, run):
    task = newest.add(pets())
    newest.fail("PATCH /api/jobs/40/annotations/", "status", status=502, times=2)

    run(newest)

    assert [frame for frame, _ in boxes(task.jobs[0])] == [0, 1, 2]


def test_boxes_of_an_earlier_run_do_not_pass_for_those_that_failed(newest, run):
    task = newest.add(pets())
    run(newest)
    newest.fail("PATCH /api/jobs/40/annotations/", "status", status=502, times=1)

    run(newest, "--annotated-frames")

    assert [frame for frame, _ in boxes(task.jobs[0])] == [0, 0, 1, 1, 2, 2]


def test_an_upload_that_is_refused(newest, run, monkeypatch):
    newest.add(pets())
    monkeypatch.setattr(newest, "create", lambda *_: (400, ["label_id 7 is invalid"]), raising=False)

    assert run(newest, expected=COULD_NOT_RUN) == (
        f"error: {newest.url}: 400 for new shapes of job 40 (label_id 7 is invalid); expected a response. "
        f"Check that the URL is CVAT's own.\n"
    )


def test_a_frame_that_somebody_annotates_meanwhile_is_left_alone(newest, run, monkeypatch):
    task = newest.add(pets())
    download = frames.download_images

    def slowly(*arguments):
        task.jobs[0].shapes.append(rectangle(1, 7, [3, 3, 9, 9]))
        return download(*arguments)

    monkeypatch.setattr(frames, "download_images", slowly)

    said = run(newest)

    assert [frame for frame, _ in boxes(task.jobs[0])] == [0, 2]
    assert "left out: 1 frame that somebody annotated meanwhile\n" in said


def test_a_frame_that_the_function_cannot_read_is_named(newest, run):
    task = pets()
    task.images[1] = ("1.png", red((0, 0, 9, 9))[:60])
    newest.add(task)

    said = run(newest, expected=1)

    assert [frame for frame, _ in boxes(task.jobs[0])] == [0, 2]
    assert "\nnot readable: frame 1: " in said


def test_nor_does_one_that_is_no_image_stop_it(newest, run):
    task = pets()
    task.images[1] = ("1.png", red((0, 0, 9, 9)))
    newest.add(task)
    newest.fail("/api/tasks/12/data/?number=1", "garbage")

    said = run(newest, expected=1)

    assert [frame for frame, _ in boxes(task.jobs[0])] == [0, 2]
    assert "\nnot readable: frame 1: frame 1 of task 12 is no image; expected one. " in said


@pytest.mark.parametrize("option", ["photos", "--json", "--overlay found", "--export coco a.json", "--overwrite"])
def test_what_does_not_go_with_a_task(function, capsys, option):
    assert main(["annotate", str(function), *option.split(), "--task", "12"]) == COULD_NOT_RUN
    name = "IMAGE" if option == "photos" else option.split()[0]
    assert capsys.readouterr().err == (
        f"error: {name}: given with --task; expected a task without it. See `preannotate annotate --help`.\n"
    )


@pytest.mark.parametrize("option", ["--confidence-attribute sure", "--annotated-frames"])
def test_what_needs_a_task(function, capsys, option):
    assert main(["annotate", str(function), "photos", *option.split()]) == COULD_NOT_RUN
    assert capsys.readouterr().err.startswith(f"error: {option.split()[0]}: given without --task; ")


def test_a_task_without_images(newest, run):
    newest.add(pets(dimension="3d"))

    assert run(newest, expected=COULD_NOT_RUN) == (
        "error: task 12: is three-dimensional; expected images or a video. Name another.\n"
    )


@pytest.mark.parametrize("kind", ["mask", "polygon", "any", "rectangle"])
def test_a_label_gets_the_shapes_that_it_wants(newest, mask_function, run, kind):
    task = newest.add(pets(2, labels=[FakeLabel(7, CAT.name, kind)]))

    if kind == "rectangle":
        said = run(newest, expected=COULD_NOT_RUN)
        assert "is one of its labels for masks (it has none)" in said
        return
    run(newest)

    (shape,) = task.jobs[0].shapes
    assert (shape["type"], shape["frame"], shape["label_id"]) == ("mask" if kind == "any" else kind, 0, 7)
    if kind == "polygon":
        points = np.reshape(shape["points"], (-1, 2))
        assert [*points.min(axis=0), *points.max(axis=0)] == pytest.approx([0, 8, 20, 40], abs=1)
        assert len(points) <= 8
    else:
        mask = decode_mask([int(value) for value in shape["points"]], image_width=64, image_height=64)
        assert mask[8:40, 0:20].sum() == mask.sum()
        assert mask.sum() == pytest.approx(20 * 32 * 3 / 4, rel=0.1)
