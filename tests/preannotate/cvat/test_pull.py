"""Through the command line, the real cvat-sdk and a stand-in of each version; what training reads is looked at."""

import json

import pytest
from support.cvat_stand_in import (
    PASSWORD,
    TOKEN,
    FakeJob,
    FakeLabel,
    FakeTask,
    key_frame,
    picture,
    rectangle,
    tag,
    track,
)

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from trainer import datasets

FORKLIFT, PALLET = FakeLabel(5, "forklift", "rectangle", "#ff8800"), FakeLabel(7, "pallet", "any", "#00ff00")


def dock(**more):
    """Six images in two jobs, the first of which is completed."""
    images = [(f"a/cam{i}.png", picture(i)) for i in range(6)]
    jobs = [
        FakeJob(40, 0, 2, "completed", shapes=[rectangle(0, 5, [1, 2, 30, 40]), rectangle(1, 7, [5, 5, 20, 20])]),
        FakeJob(41, 3, 5, shapes=[rectangle(4, 5, [10, 10, 20.5, 30.25])]),
    ]
    return FakeTask(**({"id": 12, "images": images, "labels": [FORKLIFT, PALLET], "jobs": jobs} | more))


@pytest.fixture
def pull(cvat, tmp_path, capsys):
    """Run the command on task 12 or what `options` say; its words."""

    def run(*options, expected=0):
        asked = options or ("--task", "12")
        code = main(["pull", "--cvat", cvat.url, *asked, "--output", str(tmp_path / "pulled")])
        said = capsys.readouterr()
        assert code == expected, said.err
        return said.out if expected == 0 else said.err

    return run


def read(tmp_path, part="."):
    """Name of each image to its boxes by label, as training reads them."""
    dataset = datasets.load_dataset([tmp_path / "pulled" / part], tmp_path / "store", negatives=True)
    assert dataset.health.load_report.problems == {}
    return {
        sample.name: [
            (dataset.labels[class_id], *box)
            for class_id, box in zip(sample.class_ids.tolist(), sample.boxes.tolist(), strict=True)
        ]
        for sample in dataset.samples
    }


def test_what_was_annotated_comes_out_as_an_export_that_training_reads(cvat, pull, tmp_path):
    cvat.add(dock())

    said = pull()

    assert read(tmp_path) == {
        "task-12/a/cam0.png": [("forklift", 1, 2, 30, 40)],
        "task-12/a/cam1.png": [("pallet", 5, 5, 20, 20)],
        "task-12/a/cam2.png": [],
        "task-12/a/cam4.png": [("forklift", 10, 10, 20.5, 30.25)],
    }
    assert (tmp_path / "pulled/images/task-12/a/cam4.png").read_bytes() == picture(4)
    assert said == (
        f"{cvat.url}, CVAT {cvat.version}: 1 task, 2 jobs (1 completed)\n"
        "for training: 3 annotated frames, 1 without objects\n"
        "left out: 2 frames without annotations, in a job that is not completed\n"
        "labels: forklift, pallet\n"
        "4 images downloaded, 0 existed already\n"
        f"next: preannotate train {tmp_path / 'pulled'} --negatives\n"
    )


def test_source_json_says_what_was_taken_from_where(cvat, pull, tmp_path):
    cvat.add(dock())

    pull("--task", "12", "--completed-jobs")

    source = json.loads((tmp_path / "pulled/source.json").read_text())
    assert source == {
        "format": 1,
        "server": cvat.url,
        "version": cvat.version,
        "options": {
            "tasks": [12],
            "projects": [],
            "jobs": [],
            "completed_jobs": True,
            "include_auto": False,
            "accept_completed": False,
        },
        "tasks": [
            {"id": 12, "name": "dock", "video": False, "frames": 6, "updated_date": "2026-11-02T10:00:00.000000Z"}
        ],
        "jobs": [
            {
                "id": number,
                "task": 12,
                "type": "annotation",
                "state": state,
                "stage": "annotation",
                "updated_date": "2026-11-02T10:00:00.000000Z",
                "taken": taken,
            }
            for number, state, taken in ((40, "completed", 3), (41, "in progress", 0))
        ],
        "labels": [
            {"name": "forklift", "color": "#ff8800", "type": "rectangle", "boxes": 1},
            {"name": "pallet", "color": "#00ff00", "type": "any", "boxes": 1},
        ],
        "training": {"annotated": 2, "negatives": 1},
        "validation": {"annotated": 0, "negatives": 0},
        "unlabelled": 0,
        "left_out": {"of a job that is not completed": 3},
        "untouched_shapes": 0,
        "notes": [],
    }


def test_a_label_without_boxes_is_left_out_of_the_training(cvat, pull, tmp_path):
    labels = [FORKLIFT, PALLET, FakeLabel(9, "hand truck"), FakeLabel(10, "pose", "points")]
    cvat.add(dock(labels=labels))

    said = pull()

    assert "note: label 'hand truck' has no box on the selected frames: nothing is learnt for it.\n" in said
    assert said.endswith(f"next: preannotate train {tmp_path / 'pulled'} --negatives\n")
    assert datasets.load_dataset([tmp_path / "pulled"], tmp_path / "store").labels == ("forklift", "pallet")


def test_no_file_holds_a_login(cvat, pull, tmp_path):
    cvat.add(dock())

    pull()

    files = [path.read_bytes() for path in (tmp_path / "pulled").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not any(secret.encode() in content for secret in (TOKEN, PASSWORD, "a-session") for content in files)


def test_a_second_pull_fetches_nothing_if_nothing_changed(cvat, pull, tmp_path):
    cvat.add(dock())
    pull()
    before = (tmp_path / "pulled/annotations.xml").read_bytes()
    cvat.requests.clear()

    said = pull()

    assert not [request for request in cvat.requests if "/annotations/" in request or "/data/?" in request]
    assert (tmp_path / "pulled/annotations.xml").read_bytes() == before
    assert "0 images downloaded, 4 existed already\n" in said


def test_a_second_pull_fetches_what_changed(cvat, pull, tmp_path):
    task = cvat.add(dock())
    pull()
    task.jobs[1].shapes.append(rectangle(5, 7, [0, 0, 9, 9]))
    task.jobs[1].updated = "2026-11-03T10:00:00.000000Z"
    task.deleted = [0]
    cvat.requests.clear()

    pull()

    fetched = [request for request in cvat.requests if "/annotations/" in request or "/data/?" in request]
    assert fetched == [
        "GET /api/jobs/41/annotations/",
        "GET /api/tasks/12/data/?number=5&quality=original&type=frame",
    ]
    assert [*read(tmp_path)] == [f"task-12/a/cam{i}.png" for i in (1, 2, 4, 5)]
    assert not (tmp_path / "pulled/images/task-12/a/cam0.png").exists()


def test_other_images_behind_the_same_frames_are_fetched_again(newest, tmp_path):
    task = newest.add(dock())
    command = ["pull", "--cvat", newest.url, "--task", "12", "--output", str(tmp_path / "pulled")]
    main(command)
    task.images[0] = ("a/cam0.png", picture(77))
    task.chunks_updated = "2026-11-05T09:00:00.000000Z"

    main(command)

    assert (tmp_path / "pulled/images/task-12/a/cam0.png").read_bytes() == picture(77)
    assert len(read(tmp_path)) == 4


def test_a_task_may_be_called_anything(cvat, pull, tmp_path):
    """CVAT accepts control characters in the names of tasks, which XML cannot hold."""
    task = dock()
    task.name = "\x1b[31mdock\x07\n\u202e\ufffe"
    cvat.add(task)

    pull()

    assert len(read(tmp_path)) == 4


def test_a_ground_truth_job_becomes_the_validation_part(cvat, pull, tmp_path):
    """Its frames are absolute numbers: of frames 1 and 3 of a task that takes every second image from the tenth on."""
    task = dock(start=10, step=2)
    task.jobs[1].shapes.append(rectangle(3, 5, [0, 0, 5, 5]))
    ground_truth = FakeJob(49, 0, 5, "completed", type="ground_truth", included=[12, 16])
    ground_truth.shapes = [rectangle(1, 7, [6, 6, 21, 21]), rectangle(3, 5, [0, 0, 7, 7])]
    task.jobs.append(ground_truth)
    cvat.add(task)

    said = pull()

    assert [*read(tmp_path)] == [f"task-12/a/cam{i}.png" for i in (0, 2, 4)]
    assert read(tmp_path, "validation") == {
        "task-12/a/cam1.png": [("pallet", 6, 6, 21, 21)],
        "task-12/a/cam3.png": [("forklift", 0, 0, 7, 7)],
    }
    assert "for validation, from ground-truth jobs: 2 annotated frames, 0 without objects\n" in said
    assert "left out: 2 frames that a ground-truth job holds for validation\n" in said
    assert f"--negatives --validation {tmp_path / 'pulled' / 'validation'}\n" in said


def test_frames_that_were_taken_out_of_validation_do_not_validate(cvat, pull, tmp_path):
    task = dock()
    ground_truth = FakeJob(49, 0, 5, "completed", type="ground_truth", included=[0, 1], disabled=[0])
    ground_truth.shapes = [rectangle(0, 7, [6, 6, 21, 21]), rectangle(1, 7, [6, 6, 21, 21])]
    task.jobs.append(ground_truth)
    cvat.add(task)

    pull()

    assert [*read(tmp_path, "validation")] == ["task-12/a/cam1.png"]


def test_a_validation_part_goes_with_its_job(cvat, pull, tmp_path):
    task = cvat.add(dock())
    shapes = [rectangle(1, 7, [6, 6, 21, 21])]
    task.jobs.append(FakeJob(49, 0, 5, type="ground_truth", included=[1], shapes=shapes))
    pull()
    assert (tmp_path / "pulled/validation/annotations.xml").exists()
    del task.jobs[2]

    pull()

    assert not (tmp_path / "pulled/validation").exists()
    assert "task-12/a/cam1.png" in read(tmp_path)


def test_honeypots_are_not_trained_on(newest, tmp_path):
    """Frame 2 repeats frame 5, which is in the pool of the ground truth."""
    task = dock(honeypots={2: 5})
    task.images[2] = task.images[5]
    task.jobs[0].shapes.append(rectangle(2, 5, [0, 0, 9, 9]))
    task.jobs[1].stop = 4
    ground_truth = FakeJob(49, 5, 5, type="ground_truth", included=[5], shapes=[rectangle(5, 5, [0, 0, 8, 8])])
    task.jobs.append(ground_truth)
    newest.add(task)

    assert main(["pull", "--cvat", newest.url, "--task", "12", "--output", str(tmp_path / "pulled")]) == 0

    assert [*read(tmp_path)] == [f"task-12/a/cam{i}.png" for i in (0, 1, 4)]
    assert [*read(tmp_path, "validation").values()] == [[("forklift", 0, 0, 8, 8)]]


def test_the_tracks_of_a_video_stand_on_every_frame(cvat, pull, tmp_path):
    keys = (key_frame(0, [0, 0, 10, 10]), key_frame(2, [4, 0, 14, 10]), key_frame(3, [5, 0, 15, 10], outside=True))
    images = [("", picture(i)) for i in range(6)]
    job = FakeJob(40, 0, 5, tracks=[track(5, *keys)], tags=[tag(4, 7)])
    cvat.add(FakeTask(12, images, [FORKLIFT, PALLET], [job], video=True, start=100, step=5, deleted=[1]))

    pull()

    assert read(tmp_path) == {
        "task-12/frame_000100.png": [("forklift", 0, 0, 10, 10)],
        "task-12/frame_000110.png": [("forklift", 4, 0, 14, 10)],
    }
    dataset = datasets.load_dataset([tmp_path / "pulled"], tmp_path / "store")
    assert len({sample.group for sample in dataset.samples}) == 1
    assert [sample.frame for sample in dataset.samples] == [100, 110]


def test_two_videos_are_two_groups_and_keep_their_frames_apart(cvat, pull, tmp_path):
    for number in (12, 13):
        images = [("", picture(number * 10 + i, kind="JPEG")) for i in range(2)]
        job = FakeJob(number + 100, 0, 1, tracks=[track(5, key_frame(0, [0, 0, 10, 10]))])
        cvat.add(FakeTask(number, images, [FORKLIFT], [job], video=True))

    pull("--task", "12", "--task", "13")

    dataset = datasets.load_dataset([tmp_path / "pulled"], tmp_path / "store")
    assert [(sample.name, sample.frame) for sample in dataset.samples] == [
        (f"task-{number}/frame_00000{frame}.jpg", frame) for number in (12, 13) for frame in (0, 1)
    ]
    assert len({sample.group for sample in dataset.samples}) == 2


def test_labels_of_several_tasks_are_one_list_in_the_order_of_the_first(cvat, pull, tmp_path):
    """The second task has them in another order, with other ids, and one more."""
    cvat.add(dock())
    labels = [FakeLabel(31, "person", "rectangle"), FakeLabel(32, "pallet", "mask"), FakeLabel(33, "forklift")]
    job = FakeJob(50, 0, 0, shapes=[rectangle(0, 33, [1, 1, 9, 9]), rectangle(0, 31, [2, 2, 9, 9])])
    cvat.add(FakeTask(13, [("b.png", picture(50))], labels, [job], name="gate"))

    said = pull("--task", "12", "--task", "13")

    dataset = datasets.load_dataset([tmp_path / "pulled"], tmp_path / "store")
    assert dataset.labels == ("forklift", "pallet", "person")
    assert read(tmp_path)["task-13/b.png"] == [("forklift", 1, 1, 9, 9), ("person", 2, 2, 9, 9)]
    assert (
        "note: label 'pallet' is of the type mask in task 13 and any in one before: used as any.\n"
        "note: label 'forklift' is of the type any in task 13 and rectangle in one before: used as rectangle.\n"
    ) in said


def test_a_label_that_has_no_boxes_is_explained_and_not_learnt(cvat, pull, tmp_path):
    labels = [FORKLIFT, FakeLabel(8, "night", "tag"), FakeLabel(9, "driver", "skeleton"), FakeLabel(10, "head")]
    labels[3].parent_id = 9
    task = dock(labels=[*labels, PALLET])
    task.jobs[0].tags.append(tag(2, 8))
    task.jobs[0].shapes.append(rectangle(0, 9, [], type="skeleton"))
    cvat.add(task)

    said = pull()

    assert datasets.load_dataset([tmp_path / "pulled"], tmp_path / "store").labels == ("forklift", "pallet")
    assert len(read(tmp_path)["task-12/a/cam0.png"]) == 1
    assert (
        "labels: forklift, pallet, night, driver\n"
        "note: label 'night' is of the type tag: its shapes are no boxes, so nothing is learnt for it.\n"
        "note: label 'driver' is of the type skeleton: its shapes are no boxes, so nothing is learnt for it.\n"
    ) in said


def test_what_a_model_drew_is_left_to_training_which_leaves_it_out(cvat, pull, tmp_path):
    task = cvat.add(dock())
    task.jobs[0].shapes += [
        rectangle(0, 7, [3, 3, 9, 9], source="auto"),
        rectangle(2, 7, [3, 3, 9, 9], source="auto"),
        rectangle(1, 5, [3, 3, 9, 9], source="semi-auto"),
    ]

    said = pull()

    assert (
        "left out: 1 frame with nothing but shapes that a model drew and nobody changed, in a completed job\n" in said
    )
    assert (
        "1 automatic annotation that nobody changed: training leaves them out without --include-auto or, in completed "
        "jobs, --accept-completed\n"
    ) in said
    boxes = read(tmp_path)
    assert (len(boxes["task-12/a/cam0.png"]), len(boxes["task-12/a/cam1.png"])) == (1, 2)
    assert "task-12/a/cam2.png" not in boxes
    said = pull("--task", "12", "--accept-completed")
    assert said.endswith(f"next: preannotate train {tmp_path / 'pulled'}\n")
    boxes = read(tmp_path)
    assert (len(boxes["task-12/a/cam0.png"]), len(boxes["task-12/a/cam2.png"])) == (2, 1)
    said = pull("--task", "12", "--include-auto")
    assert said.endswith(f"next: preannotate train {tmp_path / 'pulled'} --include-auto\n")
    dataset = datasets.load_dataset([tmp_path / "pulled"], tmp_path / "store", include_auto=True)
    assert [len(sample.boxes) for sample in dataset.samples] == [2, 2, 1, 1]


def test_a_project_is_all_of_its_tasks(cvat, pull, tmp_path):
    cvat.projects.append(3)
    cvat.add(dock(project_id=3))
    job = FakeJob(50, 0, 0, shapes=[rectangle(0, 5, [1, 1, 9, 9])])
    cvat.add(FakeTask(13, [("b.png", picture(50))], [FORKLIFT], [job], project_id=3))
    cvat.add(FakeTask(14, [("c.png", picture(51))], [FORKLIFT], [FakeJob(51, 0, 0)], project_id=3, dimension="3d"))
    cvat.add(FakeTask(15, [], [FORKLIFT], [], project_id=3))
    cvat.add(FakeTask(16, [("d.png", picture(52))], [FORKLIFT], [FakeJob(52, 0, 0)]))

    said = pull("--project", "3")

    assert {name.split("/")[0] for name in read(tmp_path)} == {"task-12", "task-13"}
    assert (
        "note: task 14 of project 3 is three-dimensional: left out.\n"
        "note: task 15 of project 3 has no frames: left out.\n"
    ) in said


def test_a_project_of_many_tasks_is_read_page_by_page(cvat, pull, tmp_path, monkeypatch):
    from preannotate.cvat import server

    monkeypatch.setattr(server, "_PAGE_SIZE", 2)
    cvat.projects.append(3)
    for number in range(20, 25):
        job = FakeJob(number + 100, 0, 0, shapes=[rectangle(0, 5, [1, 1, 9, 9])])
        cvat.add(FakeTask(number, [("b.png", picture(number))], [FORKLIFT], [job], project_id=3))

    pull("--project", "3")

    assert len(read(tmp_path)) == 5
    assert len(cvat.asked("GET /api/tasks?")) == 3


def test_a_job_is_its_frames_only(cvat, pull, tmp_path):
    cvat.add(dock())

    pull("--job", "41")

    assert [*read(tmp_path)] == ["task-12/a/cam4.png"]
    assert cvat.asked("GET /api/jobs/40/annotations/") == []


def test_a_job_of_a_task_that_is_named_adds_nothing(cvat, pull, tmp_path):
    cvat.add(dock())

    pull("--job", "41", "--task", "12", "--job", "40")

    assert len(read(tmp_path)) == 4


def test_rejected_jobs_and_replicas_are_said(cvat, pull):
    task = cvat.add(dock())
    task.jobs[1].state = "rejected"
    task.jobs.append(FakeJob(60, 0, 2, "completed", type="replica"))

    assert (
        "note: votes for a consensus, left out for the job that holds it: job 60.\n"
        "note: rejected in review, used all the same: job 41.\n"
    ) in pull()
    assert pull("--job", "60", expected=COULD_NOT_RUN) == (
        "error: job 60: is of the type replica; expected an annotation or a ground-truth job.\n"
    )


def test_an_organisation_is_asked_in(newest, tmp_path, capsys):
    newest.add(dock(organization="acme"))
    command = ["pull", "--cvat", newest.url, "--task", "12", "--output", str(tmp_path / "pulled")]

    assert main([*command, "--organization", "other"]) == COULD_NOT_RUN
    assert main([*command, "--org", "acme"]) == 0

    assert newest.headers[-1]["X-Organization"] == "acme"


def test_names_that_lead_out_of_the_folder_do_not(cvat, pull, tmp_path):
    task = dock()
    task.images[0] = ("../../../escaped.png", picture(0))
    task.images[1] = ("page-without-extension", picture(1, kind="JPEG"))
    cvat.add(task)

    pull()

    assert [*read(tmp_path)][:2] == ["task-12/unnamed-000000.png", "task-12/unnamed-000001.jpg"]
    assert not list(tmp_path.rglob("escaped.png"))


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (
            {"jobs": [FakeJob(40, 0, 5)]},
            ("--task", "12"),
            "{url}: no frame of task 12 has a box to learn from; expected some. Left out were frames: 6 without "
            "annotations, in a job that is not completed. Draw boxes in CVAT and save them.",
        ),
        (
            {"jobs": []},
            ("--task", "12"),
            "{url}: no frame of task 12 has a box to learn from; expected some. Draw boxes in CVAT and save them.",
        ),
        (
            {"dimension": "3d"},
            ("--task", "12"),
            "task 12: is three-dimensional; expected images or a video. Name another.",
        ),
        (
            {"images": [("page", picture(i, kind="PPM")) for i in range(6)]},
            ("--job", "41"),
            "{url}: no frame of task 12 has a box to learn from; expected some. Left out were frames: 2 without "
            "annotations, in a job that is not completed; 1 whose images are broken. The first: frame 4 of task 12 is "
            "of the format PPM; expected one of: JPEG, PNG, WEBP, BMP, GIF, TIFF. Convert the image "
            "and upload it again.",
        ),
        (
            {"images": []},
            ("--job", "40"),
            "job 40: its task has no frames; expected images or a video. Name another.",
        ),
        (
            {},
            ("--project", "3"),
            "project 3: no tasks; expected some. Check that this user may see them.",
        ),
        (
            {},
            ("--project", "4"),
            "{url}: 404, project 4 not found for this user; expected it to exist. Check its number, or name its "
            "organization with --organization.",
        ),
        (
            {"labels": [FakeLabel(5, "a\x1b"), FakeLabel(7, "b")]},
            ("--task", "12"),
            "task 12: label 'a\\x1b' holds characters that no XML file can hold; expected readable ones. "
            "Rename it in CVAT.",
        ),
        ({}, (), "pull: no source; expected --task, --project or --job with an ID."),
    ],
)
def test_what_cannot_be_pulled_is_said(cvat, tmp_path, capsys, change, options, sentence):
    cvat.projects.append(3)
    cvat.add(dock(**change))

    code = main(["pull", "--cvat", cvat.url, *options, "--output", str(tmp_path / "pulled")])

    assert (code, capsys.readouterr().err) == (COULD_NOT_RUN, f"error: {sentence.format(url=cvat.url)}\n")
    assert not (tmp_path / "pulled/annotations.xml").exists()


def test_a_sound_has_no_frames(newest, tmp_path, capsys):
    newest.add(dock(media_type="audio"))

    main(["pull", "--cvat", newest.url, "--task", "12", "--output", str(tmp_path / "pulled")])

    assert capsys.readouterr().err == "error: task 12: is a sound; expected images or a video. Name another.\n"


def test_interrupted_it_says_that_it_goes_on(cvat, tmp_path, capsys, monkeypatch):
    from preannotate.cvat import pull

    cvat.add(dock())
    monkeypatch.setattr(pull, "download_images", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))

    assert main(["pull", "--cvat", cvat.url, "--task", "12", "--output", str(tmp_path / "pulled")]) == 130

    assert capsys.readouterr().err == "stopped; the same command continues where it was\n"


def test_json_is_source_json(cvat, pull, tmp_path):
    cvat.add(dock())

    assert json.loads(pull("--task", "12", "--json")) == json.loads((tmp_path / "pulled/source.json").read_text())


def test_frames_that_nobody_annotated_are_downloaded_on_request(cvat, pull, tmp_path):
    task = cvat.add(dock())
    # A model drew on frame 3, and frame 5 has nothing; in the completed job, frame 2 shows that nothing is there.
    task.jobs[1].shapes.append({**rectangle(3, 5, [1, 1, 9, 9]), "source": "auto"})

    said = pull("--task", "12", "--unlabelled", "10")

    unlabelled = tmp_path / "pulled" / "unlabelled"
    names = {path.relative_to(unlabelled / "images").as_posix() for path in unlabelled.rglob("*.png")}
    assert names == {"task-12/a/cam3.png", "task-12/a/cam5.png"}
    assert "for self-training: 2 frames without annotations\n" in said
    assert said.endswith(f"next: preannotate train {tmp_path / 'pulled'} --negatives --unlabelled {unlabelled}\n")
    assert json.loads((tmp_path / "pulled/source.json").read_text())["unlabelled"] == 2

    pull("--task", "12", "--unlabelled", "1")
    assert len(list(unlabelled.rglob("*.png"))) == 1

    pull("--task", "12")
    assert not unlabelled.exists()
