import json

import pytest

from preannotate.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("PREANNOTATE_OFFLINE", "1")
    return tmp_path


def error(capsys, *arguments):
    assert main.main(["get", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.strip()


def test_ready_models_are_listed(capsys):
    assert main.main(["catalogue"]) == 0
    lines = capsys.readouterr().out.splitlines()

    assert lines[0].split() == ["MODEL", "FOR", "LICENCE", "SIZE", "PUBLISHED", "ACCURACY", "HERE"]
    [nano] = [line for line in lines if line.startswith("coco-yolox-nano ")]
    assert nano.split()[-7:] == ["MiB", "mAP", "25.8", "on", "COCO", "val2017", "no"]
    assert "Apache-2.0    3.5 MiB" in nano
    [lite] = [line for line in lines if line.startswith("coco-ssdlite ")]
    assert lite.endswith("no: give your export with --from")


def test_as_json(capsys):
    assert main.main(["catalogue", "--json"]) == 0
    models = {model["name"]: model for model in json.loads(capsys.readouterr().out)}

    assert models["coco-fastestdet"]["here"] is False
    assert models["coco-fastestdet"]["labels"][0] == "person"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("yolo99",), "error: get: 'yolo99' is not in the catalogue; expected one of: coco-faster-rcnn,"),
        (("coco-yolox-nano", "more"), "error: get: coco-yolox-nano more; expected one name of the catalogue, or base"),
        (
            ("coco-yolox-nano", "--only", "persn"),
            "error: --only: 'persn' is none of the model's 80 labels; expected one",
        ),
        (("coco-yolox-nano", "--name", "A b"), "error: --name: 'A b'; expected 1 to 52 lower-case letters"),
        (
            ("coco-yolox-nano",),
            "error: coco-yolox-nano: its file is not on this machine and cannot be downloaded (PREANNOTATE_OFFLINE is "
            "set); expected yolox_nano.onnx. Download it elsewhere from https://github.com/",
        ),
        (("coco-ssdlite",), "error: coco-ssdlite: its authors publish no file of this kind; expected an export"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(capsys, folder, monkeypatch, arguments, sentence):
    monkeypatch.chdir(folder)

    said = error(capsys, *arguments)
    assert said.startswith(sentence)
    assert "\n" not in said
    assert not (folder / "workspace").exists()
