"""What is said about each end of a run."""

import json

import pytest
from PIL import Image

from preannotate.pipeline.outcomes import duration, of_run, of_training, picture
from preannotate.pipeline.progress import STAGES, Progress
from preannotate.registry.workspace import Workspace, write_json

RECORD = {"format": 1, "model": "ssd-mobilenet-v2", "labels": ["mug", "key"], "images": {"train": 80, "validation": 20}}


@pytest.fixture
def model(tmp_path):
    return Workspace(tmp_path).model("boards")


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


def ran(model, version, error=""):
    progress = Progress.begin(model.progress, STAGES)
    progress.version, progress.error = version, error
    progress.write()


def publish(model, *numbers):
    write_json(model.published, [{"version": number, "at": "…", "deploy": "serve"} for number in numbers])


def test_a_version_is_ready(model):
    made(model, 2, 0.88)
    version = made(model, 3, 0.9312)
    publish(model, 2, 3)
    ran(model, 3)

    message = of_run(model, 0, link="https://studio.example.org/boards")

    assert message.title == "boards: version 3 is ready, mAP50 0.93"
    assert message.text == "Version 3 is published: CVAT offers it on its Models page."
    assert message.link == "https://studio.example.org/boards"
    assert message.facts == {
        "mAP50": "0.93",
        "mAP": "0.47",
        "model": "ssd-mobilenet-v2",
        "labels": "mug, key",
        "images": "80 for training, 20 for validation",
        "training took": "67 min",
        "mAP50 of version 2": "0.88",
    }
    assert message.picture == version.run / "overlays" / "mug.jpg"
    assert not message.failed


def test_a_version_that_is_ready_and_not_published(model):
    made(model, 1, 0.5)
    ran(model, 1)

    assert of_run(model, 0).text == (
        "Version 1 is finished and not published. `preannotate publish boards 1` lets CVAT see it."
    )


def test_a_version_that_is_not_published_says_why(model):
    made(model, 1, 0.9)
    made(model, 2, 0.8)
    publish(model, 1)
    ran(model, 2)
    progress = Progress.read(model.progress)
    progress.detail("publish", "version 2 of boards is not better than version 1; expected more.")

    message = of_run(model, 1)

    assert message.title == "boards: version 2 is not published, mAP50 0.80"
    assert message.text == (
        "Version 2 of boards is not better than version 1; expected more.\n\nVersion 1 stays published."
    )
    assert message.facts["mAP50 of version 1"] == "0.90"
    assert not message.failed


def test_a_version_that_was_published_by_a_run_that_failed_afterwards(model):
    made(model, 1, 0.9)
    publish(model, 1)
    ran(model, 1, "CVAT does not list it; expected it.")

    assert of_run(model, 2).text == "CVAT does not list it; expected it."


def test_what_another_run_wrote_is_not_believed(model):
    made(model, 1, 0.9)
    ran(model, 1)

    assert of_run(model, 2, process=1, error="no login").text == "no login"


@pytest.mark.parametrize(
    ("error", "printed", "said"),
    [
        ("export.zip: no boxes; expected some.", "other", "export.zip: no boxes; expected some."),
        ("", "pull: no login; expected one.", "pull: no login; expected one."),
        ("", "", "The run ended with exit code 2."),
    ],
)
def test_a_run_that_failed(model, error, printed, said):
    ran(model, 0, error)

    message = of_run(model, 2, error=printed)

    assert (message.title, message.text, message.failed) == ("boards: the run failed", said, True)


def test_a_run_that_failed_before_it_could_say_anything(model):
    assert of_run(model, 2).failed


def test_a_damaged_file_is_told_as_well(model):
    model.path.mkdir(parents=True)
    model.progress.write_text("{")

    message = of_run(model, 0)

    assert message.failed
    assert message.text.startswith(f"{model.progress}: holds no JSON")


def test_a_run_that_was_stopped_and_one_without_a_version(model):
    ran(model, 0)

    assert of_run(model, 130).title == "boards: the run was stopped"
    assert of_run(model, 0).title == "boards: the run is done"


def test_a_training(tmp_path):
    scores = {"map50": 0.8305, "mean_ap": 0.58}
    summary = {"validation": scores, "labels": [str(i) for i in range(22)], "epochs": 43, "seconds": 44.6}
    (tmp_path / "summary.json").write_text(json.dumps(summary))

    message = of_training(tmp_path)

    assert message.title == f"{tmp_path.name}: trained, mAP50 0.83"
    assert message.text == f"The training is done. `preannotate build {tmp_path}` makes a function of it."
    assert message.facts["labels"].endswith("18, 19 and 2 more")
    assert message.facts["time"] == "45 s"
    assert message.picture is None
    assert of_training(tmp_path / "nothing").text == "It left no summary that can be read."


def test_durations():
    assert [duration(seconds) for seconds in (9, 600, 7500)] == ["9 s", "10 min", "2 h 5 min"]


def test_no_pictures(tmp_path):
    assert picture(tmp_path) is None
