import re

import pytest
from support.web_server import web_server

from preannotate.cli import get, main
from trainer import published_weights
from trainer.errors import TrainingError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def checked(monkeypatch):
    """What was checked, by a check that needs no TensorFlow."""
    seen = []

    def check(path):
        seen.append(path.name)
        if b"broken" in path.read_bytes():
            raise TrainingError(f"{path.name}: broken.")

    monkeypatch.setattr(get, "_check", lambda model: check)
    return seen


def error(capsys, *arguments):
    assert main.main(["get", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.strip()


def test_what_can_be_had_is_listed_with_the_command(capsys, folder):
    assert main.main(["get", "base"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"COCO weights, kept in {folder}:",
        "yolox-nano  Apache-2.0  preannotate get base yolox-nano",
        "yolox-tiny  Apache-2.0  preannotate get base yolox-tiny",
        "yolox-s     Apache-2.0  preannotate get base yolox-s",
    ]


def test_a_file_that_was_brought_is_kept_and_listed(tmp_path, capsys, checked):
    (tmp_path / "brought.pth").write_bytes(b"PK\x03\x04" + b"x" * 2**20)

    assert main.main(["get", "base", "yolox-tiny", "--from", str(tmp_path / "brought.pth")]) == 0
    path = published_weights.find("yolox-tiny")
    described = f"{path}, 1.0 MiB, from brought.pth"
    assert capsys.readouterr().out == f"yolox-tiny: {described}\n"
    assert main.main(["get", "base"]) == 0
    assert f"yolox-tiny  Apache-2.0  {described}" in capsys.readouterr().out
    assert main.main(["get", "base", "yolox-tiny"]) == 0
    assert capsys.readouterr().out == f"yolox-tiny: already here, {described}\n"
    assert checked == ["brought.pth"]


def test_a_file_that_has_changed_is_shown_and_got_again(tmp_path, capsys, checked, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("PREANNOTATE_OFFLINE", raising=False)
    (tmp_path / "brought.onnx").write_bytes(b"first")
    assert main.main(["get", "base", "yolox-s", "--from", str(tmp_path / "brought.onnx")]) == 0
    published_weights.find("yolox-s").write_bytes(b"other")
    assert main.main(["get", "base"]) == 0
    assert "has changed since it came from brought.onnx; expected the same content." in capsys.readouterr().out

    with web_server() as site:
        address = f"{site.url}/yolox_s.pth"
        monkeypatch.setitem(
            published_weights.CATALOGUE, "yolox-s", published_weights.PublishedWeights("yolox-s", address, "", "", 99)
        )
        site.answers = {"/yolox_s.pth": (200, b"PK\x03\x04 again")}
        assert main.main(["get", "base", "yolox-s"]) == 0
    assert published_weights.find("yolox-s").read_bytes() == b"PK\x03\x04 again"


def test_errors_are_one_sentence(tmp_path, capsys, checked):
    (tmp_path / "file").write_bytes(b"broken")

    assert error(capsys, "base", "yolox-nano", "--from", str(tmp_path / "file")) == "error: file.onnx: broken."
    assert error(capsys, "base", "yolox-x") == (
        "error: base weights: 'yolox-x' has none; expected one of: yolox-nano, yolox-tiny, yolox-s."
    )
    assert error(capsys, "base", "--from", "file") == (
        "error: --from: without a model; expected one. Run preannotate get base MODEL --from FILE."
    )
    assert published_weights.find("yolox-nano") is None


def test_the_check_reads_the_weights_of_the_model(tmp_path, capsys):
    (tmp_path / "page.html").write_bytes(b"<html>404</html>")

    message = error(capsys, "base", "yolox-nano", "--from", str(tmp_path / "page.html"))
    assert re.fullmatch(r"error: page\.html\.onnx: .*; expected an ONNX file with its weights inside\. .*", message)
