import os
import re

import pytest

from builder.errors import BuildError
from builder.imports.source import recognise, stage

EXPECTED = "expected a SavedModel folder, an OpenVINO IR (.xml with .bin) or an .onnx file."


@pytest.fixture
def folder(tmp_path):
    for name in (
        "a.onnx",
        "a.onnx.data",
        "other.onnx.data",
        "b.xml",
        "b.bin",
        "lone.xml",
        "c.pt",
        "c.txt",
        "d.zip",
        "od/saved_model.pb",
        "od/fingerprint.pb",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in ("c.pt", "c.txt", "d.zip"):
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "exported" / "saved_model").mkdir(parents=True)
    (tmp_path / "exported" / "saved_model" / "saved_model.pb").write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("named", "kind", "files"),
    [
        ("a.onnx", "onnx", ["a.onnx", "a.onnx.data"]),
        ("b.xml", "ir", ["b.xml", "b.bin"]),
        ("b.bin", "ir", ["b.xml", "b.bin"]),
        ("od", "saved_model", ["od"]),
        ("od/saved_model.pb", "saved_model", ["od"]),
        ("od/fingerprint.pb", "saved_model", ["od"]),
        ("exported", "saved_model", ["exported/saved_model"]),
    ],
)
def test_what_a_path_holds(folder, named, kind, files):
    source = recognise(folder / named)
    assert (source.kind, list(source.files)) == (kind, [folder / file for file in files])


def test_a_model_is_read_from_a_folder_that_holds_nothing_else(folder, tmp_path):
    staged = tmp_path / "staged"
    staged.mkdir()
    assert stage(recognise(folder / "a.onnx"), staged) == staged / "a.onnx"
    assert sorted(path.name for path in staged.iterdir()) == ["a.onnx", "a.onnx.data"]


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("none", f"no such file or folder; {EXPECTED}"),
        ("c.txt", f"no model that can be imported; {EXPECTED} Export the model again."),
        (
            "c.pt",
            "a PyTorch file, which can contain any program; expected an export of it. Run: yolo export format=onnx "
            "(docs/importing.md).",
        ),
        (
            "d.zip",
            "an archive; expected what is in it. Unpack it, and give the model file or its folder (docs/importing.md).",
        ),
        ("lone.xml", "no lone.bin beside it; expected both files of an OpenVINO IR."),
        ("empty", f"a folder with no model; {EXPECTED} Name one file."),
        ("", f"a folder with several models: a.onnx, b.xml, lone.xml; {EXPECTED} Name one file."),
    ],
)
def test_what_is_no_model(folder, named, sentence):
    path = folder / named
    with pytest.raises(BuildError, match=f"^{re.escape(f'{path}: {sentence}')}$"):
        recognise(path)


def test_a_folder_with_one_model_is_that_model(tmp_path):
    (tmp_path / "model.onnx").write_text("x")
    (tmp_path / "README.md").write_text("x")
    assert recognise(tmp_path).files == (tmp_path / "model.onnx",)


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "a.onnx")
    with pytest.raises(BuildError, match=r"a\.onnx: not a file; expected a model\. Give the file itself\.$"):
        stage(recognise(tmp_path / "a.onnx"), tmp_path)


@pytest.mark.parametrize(
    "name", ["best.pt", "model.h5", "model.keras", "net.pkl", "net.engine", "net.tflite", "a.tar.gz"]
)
def test_other_files_are_named_and_never_opened(tmp_path, name):
    (tmp_path / name).touch(mode=0)
    with pytest.raises(BuildError) as error:
        recognise(tmp_path / name)
    assert str(error.value).endswith(" (docs/importing.md).")
    assert len(str(error.value).removeprefix(str(tmp_path))) < 200
