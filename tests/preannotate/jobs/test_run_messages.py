"""The message about each end of a run."""

import pytest
from PIL import Image

from preannotate.core.files import write_json
from preannotate.core.progress import ProgressWriter, State
from preannotate.jobs.queue import Run, RunSource
from preannotate.jobs.run_messages import models_page, run_message
from preannotate.jobs.task_request import RunKind, TaskRequest
from preannotate.pipeline.run_request import RunRequest, write_run_request

STAGES = ("pull", "train", "build", "check", "publish", "verify")
RECORD = {"format": 1, "model": "ssd-mobilenet-v2", "labels": ["mug", "key"], "images": {"train": 80, "validation": 20}}


@pytest.fixture
def model(home):
    return home.model("boards")


@pytest.fixture
def message(home, model):
    """The message about a run of `boards`; keywords replace parts of the run."""

    def make(state=State.DONE, code=0, *, link="", request=None, **more):
        fields = {
            "id": 7, "kind": RunKind.TRAIN, "source": RunSource.STUDIO, "model_name": "boards", "state": state,
            "created": "", "started": None, "ended": None, "error": "", "request": request or RunRequest(tasks=(12,)),
            "server_id": None, "machine": None, "notify": True, "version": None, "exit_code": code,
            "folder": home.run_folder(7), "model_folder": model.path,
        }  # fmt: skip
        return run_message(Run(**fields | more), home, link)

    return make


def made(model, number, map50):
    """A finished version, with two pictures: one of an image on which nothing is."""
    version = model.version(number)
    (version.function / "nuclio").mkdir(parents=True)
    write_json(version.record_file, RECORD | {"number": number, "map50": map50, "mean_ap": map50 / 2})
    write_json(version.run / "summary.json", {"seconds": 4000.0})
    truth = {"images": [{"name": "a/empty.png", "boxes": []}, {"name": "a/mug.png", "boxes": [[1, 2, 3, 4]]}]}
    write_json(version.run / "export" / "validation" / "ground_truth.json", truth)
    (version.run / "overlays").mkdir()
    for name in ("empty", "mug"):
        Image.new("RGB", (8, 8)).save(version.run / "overlays" / f"{name}.jpg")
    return version


def ran(home, version=None, *, publish=""):
    """The progress of a run that came to its end."""
    progress = ProgressWriter(home.run_folder(7) / "progress.json", STAGES)
    progress.update("publish", detail=publish)
    if version is not None:
        progress.set_version(version)
    progress.write()
    return progress


def publish(model, *numbers):
    write_json(model.publications, [{"version": number, "at": "…", "deploy": "serve"} for number in numbers])


def test_a_version_is_ready(home, model, message):
    made(model, 2, 0.88)
    version = made(model, 3, 0.9312)
    publish(model, 2, 3)
    ran(home, 3)

    found = message(link="https://studio.example.org/runs/7")

    assert found.title == "boards: version 3 is ready, mAP50 0.931, mAP 0.466"
    assert found.text == "Version 3 is published: CVAT lists it on its Models page."
    assert found.link == "https://studio.example.org/runs/7"
    assert found.facts == {
        "mAP50": "0.931",
        "mAP": "0.466",
        "model": "ssd-mobilenet-v2",
        "labels": "mug, key",
        "images": "80 for training, 20 for validation",
        "training took": "67 min",
        "mAP50 of version 2": "0.880",
        "mAP of version 2": "0.440",
    }
    assert found.picture == version.run / "overlays" / "mug.jpg"
    assert not found.failed


def test_a_version_that_is_ready_and_not_published(home, model, message):
    made(model, 1, 0.5)
    ran(home, 1)

    assert message().text == "Version 1 is finished and not published. `preannotate publish boards 1` publishes it."


def test_a_version_that_is_not_published_says_why(home, model, message):
    made(model, 1, 0.9)
    made(model, 2, 0.8)
    publish(model, 1)
    ran(home, 2, publish="version 2 of boards is not better than version 1; expected more.")

    found = message(code=1)

    assert found.title == "boards: version 2 is not published, mAP50 0.800, mAP 0.400"
    assert found.text == (
        "Version 2 of boards is not better than version 1; expected more.\n\nVersion 1 stays published."
    )
    assert (found.facts["mAP50 of version 1"], found.facts["mAP of version 1"]) == ("0.900", "0.450")
    assert not found.failed


def test_a_version_that_was_published_by_a_run_that_failed_afterwards(home, model, message):
    made(model, 1, 0.9)
    publish(model, 1)
    ran(home, 1)

    assert message(State.FAILED, 2, error="CVAT does not list it; expected it.").text == (
        "CVAT does not list it; expected it."
    )


@pytest.mark.parametrize("error", ["export.zip: no boxes; expected some.", ""])
def test_a_run_that_failed(home, message, error):
    ran(home)

    found = message(State.FAILED, 2, error=error)

    assert (found.title, found.failed) == ("boards: the run failed", True)
    assert found.text == (error or "The run ended with exit code 2.")


def test_a_damaged_file_is_reported_as_well(home, message):
    ran(home)
    (home.run_folder(7) / "progress.json").write_text("{")

    found = message()

    assert found.failed
    assert found.text.startswith(f"{home.run_folder(7)}/progress.json: not JSON")


def test_other_ends(home, message):
    ran(home)
    review = TaskRequest(kind=RunKind.REVIEW, name="boards", task=12)

    assert message(State.STOPPED, 130).title == "boards: the run was stopped"
    assert message().title == "boards: the run is done"
    reviewed = message(kind=RunKind.REVIEW, request=review)
    assert (reviewed.title, reviewed.text) == (
        "boards: review of task 12 is done", "The list of disagreements is ready.",
    )  # fmt: skip


def test_the_page_of_models(model):
    assert models_page(model) == ""
    write_run_request(model.run_request, RunRequest(cvat="https://cvat.example.org/", tasks=(12,)))
    assert models_page(model) == "https://cvat.example.org/models"
