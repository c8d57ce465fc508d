"""A new machine: a ready model is got, served, listed and called by CVAT, and fills a task that has no annotations."""

import io
import json
import os
from pathlib import Path

import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask
from support.cvat_stand_in_functions import wait_until
from support.modules import load_module

from preannotate.cli.main import main
from preannotate.cvat.connection import connect
from preannotate.cvat.errors import CvatError
from preannotate.cvat.functions import Functions, label_mapping
from preannotate.cvat.login import Login
from preannotate.model_catalogue import entries

pytestmark = pytest.mark.slow

BUILDER_TESTS = Path(__file__).parents[2] / "builder"
SHARED = Path(os.environ.get("PREANNOTATE_SHARED", Path(__file__).parents[4] / "shared"))
FASTESTDET = SHARED / "weights" / "FastestDet.onnx"
YOLOX_NANO = SHARED / "weights" / "yolox_nano.onnx"
ENTRY = """
title: Squares
use: red and blue squares
licence: MIT
page: https://example.org/squares
adapter: yolox
labels: [red, blue]
"""


@pytest.fixture
def squares():
    return load_module(BUILDER_TESTS / "squares.py")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """A catalogue with one model, and the file of it."""
    pytest.importorskip("onnx")
    pytest.importorskip("openvino")
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "squares.yaml").write_text(ENTRY)
    monkeypatch.setattr(entries, "_FOLDERS", (tmp_path / "catalogue",))
    entries.read_catalogue.cache_clear()
    yield load_module(BUILDER_TESTS / "imports" / "squares_onnx.py").write("yolox", tmp_path / "squares.onnx")
    entries.read_catalogue.cache_clear()


def test_from_a_file_to_boxes_in_a_task_that_nobody_annotated(
    newest, served, workspace, squares, catalogue, weights, tmp_path, capsys
):
    images, photos, blue = [], tmp_path / "photos", 0
    photos.mkdir()
    for seed in range(3):
        image, truth = squares.draw(seed)
        image.save(photos / f"{seed}.png")
        stream = io.BytesIO()
        image.save(stream, "PNG")
        images.append((f"{seed}.png", stream.getvalue()))
        blue += int((truth.class_ids == 1).sum())
    task = newest.add(FakeTask(12, images, [FakeLabel(5, "sky")], [FakeJob(40, 0, 2)], name="Skies"))
    newest.functions.dashboard = served[1]

    got = ["get", "squares", "--from", str(catalogue), "--name", "skies", "--only", "blue", "--rename", "blue=sky"]
    assert main([*got, "--proof-images", str(photos), "--workspace", str(workspace)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("skies: version 1 is ready, 1 label: sky\nSquares, MIT, from squares.onnx, SHA-256 ")
    assert f"next: preannotate serve {workspace / 'functions'} --host 0.0.0.0" in said

    functions = Functions(connect(Login(url=newest.url)))
    mapping = label_mapping([{"id": 5, "name": "sky", "parent_id": None}], ["sky"])

    def answer():
        try:
            return functions.call("skies", 12, 0, mapping, {5: "sky"})
        except CvatError:
            return None

    wait_until(lambda: "skies" in functions.listed() and answer() is not None)
    assert functions.listed()["skies"].labels == {"sky": "rectangle"}
    truth = squares.draw(0)[1]
    expected = sorted(box.tolist() for box, class_id in zip(truth.boxes, truth.class_ids, strict=True) if class_id)
    assert sorted([round(side) for side in shape.box] for shape in answer()) == expected
    assert task.jobs[0].shapes == []

    assert main(["annotate", str(workspace / "functions" / "skies"), "--task", "12", "--cvat", newest.url]) == 0
    assert [shape["label_id"] for shape in task.jobs[0].shapes] == [5] * blue
    capsys.readouterr()
    assert main(["versions", "skies", "--workspace", str(workspace), "--json"]) == 0
    assert [(one["name"], one["published"]) for one in json.loads(capsys.readouterr().out)] == [("skies", 1)]


@pytest.mark.skipif(not FASTESTDET.is_file(), reason="PREANNOTATE_SHARED has no weights/FastestDet.onnx")
def test_a_real_file_has_the_digest_of_the_catalogue(tmp_path, weights, capsys):
    arguments = ["get", "coco-fastestdet", "--from", str(FASTESTDET), "--workspace", str(tmp_path / "work"), "--json"]
    assert main(arguments) == 0
    got = json.loads(capsys.readouterr().out)

    assert got["verdict"] == "passed"
    assert got["sha256"] == entries.find("coco-fastestdet").sha256
    assert len(got["labels"]) == 80
    assert not [note for note in got["notes"] if "is not the file" in note]


@pytest.mark.skipif(not YOLOX_NANO.is_file(), reason="PREANNOTATE_SHARED has no weights/yolox_nano.onnx")
def test_another_export_of_a_real_network_is_taken_and_named(tmp_path, weights, capsys):
    from trainer import published_weights

    arguments = ["get", "coco-yolox-nano", "--from", str(YOLOX_NANO), "--only", "person,car", "--json"]
    assert main([*arguments, "--rename", "person=worker", "--workspace", str(tmp_path / "work")]) == 0
    got = json.loads(capsys.readouterr().out)

    assert (got["verdict"], got["labels"]) == ("passed", ["worker", "car"])
    assert any("yolox_nano.onnx is not the file that its authors publish" in note for note in got["notes"])
    assert published_weights.kept("yolox-nano") is not None  # a training can start from it
