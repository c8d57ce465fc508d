"""The command on the stand-in, with trainings that take no time: what it does, what it leaves out, how it goes on."""

import contextlib
import copy
import json

import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, rectangle
from support.pipeline import red, write_function

from preannotate.cli.command import COULD_NOT_RUN, INTERRUPTED
from preannotate.cli.main import main
from preannotate.core.child_process import CheckFailedError, ChildError
from preannotate.core.progress import read_progress
from preannotate.jobs.database import Database
from preannotate.jobs.queue import RunQueue
from preannotate.registry import publication, versions
from preannotate.registry.workspace import Workspace

CAT, DOG = FakeLabel(7, "cat", "rectangle"), FakeLabel(8, "dog")


def box(frame, label=7):
    return rectangle(frame, label, [frame, 8, frame + 20, 40])


def pets(number=12, **more):
    """Eight frames: of job 40 the last is not annotated, and none of job 41."""
    images = [(f"{i}.png", red((i, 8, i + 20, 40), grey=i)) for i in range(8)]
    jobs = [FakeJob(40, 0, 4, shapes=[box(i) for i in range(4)]), FakeJob(41, 5, 7)]
    return FakeTask(**({"id": number, "images": images, "labels": [CAT, DOG], "jobs": jobs, "name": "Pets"} | more))


@pytest.fixture
def run(workspace, commands, served, newest, capsys):
    """The command on task 12; (stdout, stderr)."""
    newest.functions.dashboard = served[1]

    def do(*options, expected=0, task=True):
        asked = ("--cvat", newest.url, "--task", "12") if task else ()
        capsys.readouterr()
        code = main(["run", *asked, "--workspace", str(workspace), *map(str, options)])
        said = capsys.readouterr()
        assert code == expected, said
        return said

    return do


def progress(workspace, name="pets"):
    """Of the latest run of a model."""
    with contextlib.closing(Database(Workspace(workspace).database)) as database:
        run = RunQueue(database, Workspace(workspace)).list(model_name=name, limit=1)[0]
    return read_progress(run.folder / "progress.json")


def states(workspace, name="pets"):
    return {stage.name: stage.state for stage in progress(workspace, name).stages}


def automatic(job):
    return sorted(shape["frame"] for shape in job.shapes if shape["source"] == "auto")


def trainings(commands):
    return [command for command in commands.asked if command[0] == "train"]


def test_from_a_task_to_boxes_in_it(run, newest, workspace):
    task = newest.add(pets())

    said = run("--annotate-rest")

    assert said.out == (
        "note: label 'dog' has no box on the selected frames: nothing is learnt for it.\n"
        "pull: 4 frames with annotations, 0 that show nothing; 4 images downloaded\n"
        "train: version 1: 3 epochs in 3 min, mAP50 0.900, mAP 0.600 on 2 validation images\n"
        "build: version 1: function pets\n"
        "check: served mAP50 0.900, mAP 0.500 on 1 frozen image\n"
        f"publish: version 1 in {workspace}/functions/pets\n"
        "verify: CVAT lists pets; on frame 0 of task 12 it returns 1 box, as expected\n"
        "annotate: 4 frames processed, 4 objects added; 1 whole job by CVAT itself\n"
        f"done: version 1 of pets, mAP50 0.900, mAP 0.500, published from {workspace}/functions\n"
    )
    assert [automatic(job) for job in task.jobs] == [[4], [5, 6, 7]]
    assert states(workspace) == dict.fromkeys(
        ("pull", "train", "build", "check", "publish", "verify", "annotate"), "done"
    )


def test_the_same_again_does_nothing(run, newest, workspace, commands):
    task = newest.add(pets())
    run("--annotate-rest")
    before, done = copy.deepcopy([job.shapes for job in task.jobs]), list(commands.names)

    said = run("--name", "pets", "--annotate-rest", task=False)

    assert commands.names == done
    assert [job.shapes for job in task.jobs] == before
    assert states(workspace)["train"] == states(workspace)["publish"] == "skipped"
    assert "train: skipped, nothing changed since version 1\n" in said.out
    assert "annotate: no frame without annotations\n" in said.out


def test_new_annotations_make_a_new_version(run, newest, workspace, commands):
    task = newest.add(pets())
    run()
    task.jobs[1].shapes.append(box(5))
    task.jobs[1].updated = "2026-11-03T10:00:00.000000Z"
    commands.shift = 4

    said = run("--name", "pets", task=False)

    assert "publish: version 2 in " in said.out
    assert "verify: CVAT lists pets; " in said.out  # the new boxes, which `serve` needed a moment for
    record = json.loads((workspace / "models/pets/versions/2/version.json").read_text())
    assert (record["number"], record["map50"], record["model"]) == (2, 0.86, "ssd-mobilenet-v2")
    assert len(json.loads((workspace / "models/pets/published.json").read_text())) == 2


@pytest.mark.parametrize("options", [("--arguments", "epochs=5"), ("--model", "frcnn-resnet50"), ("--restart",)])
def test_other_settings_make_a_new_version(run, newest, workspace, options):
    newest.add(pets())
    run("--deploy", "none")

    run("--deploy", "none", *options)

    assert (workspace / "models/pets/versions/2/version.json").is_file()


def test_the_training_gets_what_the_pull_recommends(run, newest, workspace, commands):
    task = pets()
    task.jobs[0].state = "completed"
    task.jobs.append(FakeJob(49, 0, 7, type="ground_truth", included=[1], shapes=[box(1)]))
    newest.add(task)

    run("--deploy", "none", "--include-auto", "--self-training", "--arguments", "epochs=3", "--base-model", "none")

    dataset, version = workspace / "models/pets/dataset", workspace / "models/pets/versions/1"
    assert commands.asked[0] == [
        *("train", str(dataset), "--output", str(version / "run"), "--continue", "--json", "--negatives"),
        *(
            "--include-auto",
            "--validation",
            str(dataset / "validation"),
            "--unlabelled",
            str(dataset / "unlabelled"),
            "--model",
            "auto",
        ),
        *("--base-model", "none", "--arguments=epochs=3"),
    ]


def test_without_self_training_only_annotated_frames_are_downloaded(run, newest, workspace, commands):
    newest.add(pets())

    run("--deploy", "none", "--self-training")
    unlabelled = workspace / "models/pets/dataset/unlabelled"
    assert len(list(unlabelled.rglob("*.png"))) == 4
    assert "--unlabelled" in trainings(commands)[-1]

    run("--deploy", "none", "--base-model", "previous")
    assert not unlabelled.exists()
    assert len(trainings(commands)) == 2
    assert "--unlabelled" not in trainings(commands)[-1]


def test_the_previous_version_as_base_model(run, newest, workspace, commands):
    task = newest.add(pets())
    run("--deploy", "none", "--base-model", "previous")
    task.jobs[1].shapes.append(box(5))
    task.jobs[1].updated = "2026-11-03T10:00:00.000000Z"

    run("--name", "pets", task=False)
    run("--name", "pets", task=False)

    bases = [asked[asked.index("--base-model") + 1] for asked in commands.asked if asked[0] == "train"]
    assert bases == ["auto", str(workspace / "models/pets/versions/1/run")]


def test_a_previous_version_that_was_not_trained_here_has_no_weights_to_start_from(run, newest, workspace, commands):
    task = newest.add(pets())
    run("--deploy", "none", "--base-model", "previous")
    (workspace / "models/pets/versions/1/run/summary.json").unlink()  # an import has an export alone
    task.jobs[1].shapes.append(box(5))
    task.jobs[1].updated = "2026-11-03T10:00:00.000000Z"

    run("--name", "pets", task=False)

    bases = [asked[asked.index("--base-model") + 1] for asked in commands.asked if asked[0] == "train"]
    assert bases == ["auto", "auto"]


def test_the_first_training_after_a_ready_model_is_its_second_version(run, newest, workspace, commands):
    newest.add(pets())
    ready = Workspace(workspace).model("pets").version(1)
    write_function(ready.function.parent, "pets", shift=40)
    (ready.function / "validation").mkdir()
    versions.record_version(ready)
    publication.install(Workspace(workspace), "pets", 1, deploy=publication.Deploy.SERVE)

    run("--name", "pets", "--base-model", "previous")

    assert [version.number for version in Workspace(workspace).model("pets").versions()] == [1, 2]
    assert publication.published_version(Workspace(workspace).model("pets")) == 2
    [asked] = trainings(commands)
    assert asked[asked.index("--base-model") + 1] == "auto"


@pytest.mark.parametrize("stage", ["train", "build"])
def test_a_run_that_was_stopped_goes_on_with_the_same_version(run, newest, workspace, commands, stage):
    newest.add(pets())
    commands.fails[stage] = KeyboardInterrupt()

    said = run("--deploy", "none", expected=INTERRUPTED)
    assert said.err == "stopped; the same command continues where it stopped\n"
    assert states(workspace)[stage] == "stopped"
    run("--deploy", "none")

    assert [version.name for version in (workspace / "models/pets/versions").iterdir()] == ["1"]
    trained = "done" if stage == "train" else "skipped"
    assert states(workspace) == {"pull": "done", "train": trained, "build": "done", "check": "done"}


def test_a_function_that_was_built_before_the_stop_is_checked_again(run, newest, workspace, commands):
    newest.add(pets())
    run("--deploy", "none")
    (workspace / "models/pets/versions/1/version.json").unlink()

    run("--deploy", "none")

    assert commands.names == ["train", "build", "check"]
    assert states(workspace)["build"] == "skipped"


def test_a_failed_check_is_exit_code_1(run, newest, workspace, commands):
    newest.add(pets())
    commands.fails["build"] = CheckFailedError("3 of 40 detections differ; expected none.")

    said = run(expected=1)

    assert said.err == "error: 3 of 40 detections differ; expected none.\n"
    assert progress(workspace).error == "3 of 40 detections differ; expected none."
    assert states(workspace)["build"] == "failed"
    assert not (workspace / "functions" / "pets").exists()


def test_a_training_that_fails_is_exit_code_2(run, newest, commands):
    newest.add(pets())
    commands.fails["train"] = ChildError("no memory; expected some.")

    assert run(expected=COULD_NOT_RUN).err == "error: no memory; expected some.\n"


def test_a_version_that_was_withdrawn_is_not_published_again(run, newest, workspace, commands):
    task = newest.add(pets())
    run()
    task.jobs[1].shapes.append(box(5))
    task.jobs[1].updated = "2026-11-03T10:00:00.000000Z"
    commands.shift = 4
    run()
    assert main(["rollback", "pets", "--workspace", str(workspace)]) == 0

    said = run(expected=1)

    assert said.err == (
        "not published: version 2 of pets was withdrawn; expected new annotations or other arguments. "
        "Publish it again: preannotate publish pets 2.\n"
    )
    assert json.loads((workspace / "models/pets/published.json").read_text())[-1]["version"] == 1


def test_without_deployment_this_machine_annotates(run, newest):
    task = newest.add(pets())

    said = run("--deploy", "none", "--annotate-rest")

    assert "annotate: 4 frames processed, 4 objects added\n" in said.out
    assert newest.functions.requests == []
    assert [automatic(job) for job in task.jobs] == [[4], [5, 6, 7]]


def test_a_function_that_cvat_does_not_list(run, newest, workspace):
    task = newest.add(pets())
    newest.functions.dashboard = ""

    said = run("--wait", "0", "--annotate-rest", expected=COULD_NOT_RUN)

    assert said.err == (
        f"error: {newest.url}: 503 for the list of functions, CVAT cannot reach nuclio (<urlopen error [Errno 111] "
        f"Connection refused>); expected a response. Start nuclio's dashboard or `preannotate serve`, and check "
        f"CVAT_NUCLIO_HOST, CVAT_NUCLIO_PORT and no_proxy of cvat_server with `preannotate doctor` on its machine.\n"
    )
    assert (workspace / "functions" / "pets").is_dir()
    assert states(workspace) | {"verify": "failed", "annotate": "waiting"} == states(workspace)
    assert automatic(task.jobs[1]) == []


def test_only_what_is_better_is_published(run, newest, workspace, commands):
    task = newest.add(pets())
    commands.shift = 12  # of 20 pixels: the boxes of version 1 miss
    run()
    task.jobs[1].shapes += [box(6), box(7)]
    task.jobs[1].updated = "2026-11-03T10:00:00.000000Z"
    commands.shift = 0

    said = run("--name", "pets", "--only-if-better", task=False)

    assert (
        "publish: version 2 of pets: mAP50 1.000, mAP 1.000 against mAP50 0.000, mAP 0.000 of version 1, which is "
        "published, on 3 images that neither was trained on\n"
    ) in said.out
    record = json.loads((workspace / "models/pets/versions/2/version.json").read_text())
    assert record["comparison"] == {
        "published": 1, "images": 3, "map50": 1.0, "mean_ap": 1.0, "map50_published": 0.0, "mean_ap_published": 0.0,
    }  # fmt: skip


def test_a_tie_is_not_better(run, newest, workspace, commands):
    task = newest.add(pets())
    run()
    task.jobs[1].shapes.append(box(6))
    task.jobs[1].updated = "2026-11-03T10:00:00.000000Z"

    said = run("--name", "pets", "--only-if-better", "--annotate-rest", task=False, expected=1)

    sentence = (
        "not published: version 2 of pets: mAP50 1.000, mAP 1.000 against mAP50 1.000, mAP 1.000 of version 1, which "
        "is published, on 3 images that neither was trained on; expected a higher one, so it is not published. "
        "Annotate more frames, or publish it all the same: preannotate publish pets 2.\n"
    )
    assert said.err == sentence
    assert states(workspace) | {"verify": "skipped", "annotate": "skipped"} == states(workspace)
    assert run("--name", "pets", "--only-if-better", task=False, expected=1).err == sentence
    kept = json.loads((workspace / "models/pets/run_request.json").read_text())
    assert (kept["only_if_better"], kept["annotate_rest"]) == (False, False)  # said for one run only


def test_a_model_of_another_server(run, newest, workspace):
    newest.add(pets())
    run("--deploy", "none")
    memory = workspace / "models/pets/dataset/.pull/server.json"
    memory.write_text(json.dumps({"format": 1, "url": "https://old.example.org"}))

    assert run("--deploy", "none", expected=COULD_NOT_RUN).err == (
        f"error: {workspace}/models/pets: was trained on tasks of another server than {newest.url}; expected the same. "
        f"Give the model another name with --name, or, if the server has moved, remove "
        f"{workspace}/models/pets/dataset.\n"
    )


def test_boxes_that_people_left_as_the_model_drew_them_count_in_completed_jobs_if_asked(run, newest, workspace):
    task = newest.add(pets())
    run("--annotate-rest")
    for job in task.jobs:
        job.state, job.updated = "completed", "2026-11-27T12:00:00.000000Z"

    left_out = run("--name", "pets", task=False).out
    taken = run("--name", "pets", "--accept-completed", task=False).out

    assert (
        "note: left out: frames with nothing but shapes that a model drew and nobody changed, in a completed job: 4. "
        "--accept-completed includes them.\n"
    ) in left_out
    assert "pull: 8 frames with annotations, " in taken
    assert "left out: frames" not in taken
