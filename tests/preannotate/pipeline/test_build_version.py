"""What makes a new version, and what does not."""

import shutil
from dataclasses import replace

import pytest

from preannotate.formats.cvat_images import write_tasks
from preannotate.formats.cvat_xml import CvatLabel, CvatTask
from preannotate.formats.records import Frame, Shape
from preannotate.pipeline.build_version import inputs_fingerprint
from preannotate.pipeline.run_request import RunRequest
from trainer.errors import TrainingError

ASKED = RunRequest(tasks=(12,), arguments="epochs=3, batch-size=8")


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "dataset"
    for part in (folder, folder / "validation"):
        (part / "images" / "task-12").mkdir(parents=True)
        (part / "annotations.xml").write_text("<annotations/>")
        (part / "images" / "task-12" / "a.png").write_bytes(b"a")
    (folder / "source.json").write_text("{}")
    return folder


def test_the_same_wherever_it_lies_and_however_it_is_spelled(dataset, tmp_path):
    before = inputs_fingerprint(dataset, ASKED, ["--negatives"])
    shutil.copytree(dataset, tmp_path / "moved")
    (tmp_path / "moved" / "source.json").write_text('{"jobs": []}')

    asked = RunRequest(tasks=(13,), arguments="batch_size=8,epochs=3", deploy="none", annotate_rest=True)
    assert inputs_fingerprint(tmp_path / "moved", asked, ["--negatives"]) == before


LABEL = CvatLabel("cat", "#ff0000", "rectangle")
BOX = Shape("cat", "box", (1, 2, 3, 4), source="manual")
IMAGE = Frame("task-12/a.png", None, (BOX,), declared_size=(64, 64), task_id="12", frame=0)


def write(dataset, *, label=LABEL, image=IMAGE, task="boards"):
    pieces = write_tasks([image], [label], [CvatTask("12", task, 1, video=False)], name="pulled from CVAT")
    (dataset / "annotations.xml").write_bytes(b"".join(pieces))
    return inputs_fingerprint(dataset, ASKED, [])


def test_names_of_tasks_and_colours_of_labels_do_not_count(dataset):
    before = write(dataset)

    assert write(dataset, task="boards, second week") == before
    assert write(dataset, label=replace(LABEL, color="#00ff00")) == before
    assert write(dataset, label=replace(LABEL, name="dog")) != before
    assert write(dataset, label=replace(LABEL, type="any")) != before
    moved = (Shape("cat", "box", (1, 2, 3, 5), source="manual"),)
    assert write(dataset, image=replace(IMAGE, shapes=moved)) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "annotations.xml").write_text("<annotations></annotations>"),
        lambda folder: (folder / "validation" / "annotations.xml").write_text("<annotations></annotations>"),
        lambda folder: (folder / "images" / "task-12" / "a.png").write_bytes(b"b"),
        lambda folder: (folder / "images" / "task-12" / "a.png").rename(folder / "images" / "task-12" / "b.png"),
        lambda folder: shutil.rmtree(folder / "validation"),
    ],
)
def test_other_data_is_another_version(dataset, change):
    before = inputs_fingerprint(dataset, ASKED, [])
    change(dataset)

    assert inputs_fingerprint(dataset, ASKED, []) != before


@pytest.mark.parametrize(
    "asked",
    [
        RunRequest(arguments="epochs=4,batch_size=8"),
        RunRequest(arguments="epochs=3,batch_size=8", model="frcnn-resnet50"),
        RunRequest(arguments="epochs=3,batch_size=8", base_model="previous"),
    ],
)
def test_another_training_is_another_version(dataset, asked):
    assert inputs_fingerprint(dataset, asked, []) != inputs_fingerprint(dataset, ASKED, [])
    assert inputs_fingerprint(dataset, asked, ["--negatives"]) != inputs_fingerprint(dataset, asked, [])


def test_a_base_model_on_disk_counts_by_its_content(dataset, tmp_path):
    for name, content in (("one.h5", b"1"), ("same.h5", b"1"), ("other.h5", b"2")):
        (tmp_path / name).write_bytes(content)
        run = tmp_path / f"run-{name}" / "checkpoints"
        run.mkdir(parents=True)
        (run / "best-3.weights.h5").write_bytes(content)

    def of(name):
        return inputs_fingerprint(dataset, RunRequest(base_model=str(tmp_path / name)), [])

    assert of("one.h5") == of("same.h5") != of("other.h5")
    assert of("run-one.h5") == of("run-same.h5") != of("run-other.h5")


def test_impossible_arguments(dataset):
    with pytest.raises(TrainingError, match=r"arguments: batch_size=0; expected a whole number"):
        inputs_fingerprint(dataset, RunRequest(arguments="batch_size=0"), [])
