import pytest

from preannotate.diagnostics import base_weights
from preannotate.diagnostics.finding import Finding, Severity
from trainer import published_weights


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(base_weights, "installed", lambda package: "2.21.0" if package == "tensorflow" else None)


def keep(tmp_path, model):
    (tmp_path / "weights.onnx").write_bytes(b"weights")
    return published_weights.keep(model, tmp_path / "weights.onnx", lambda path: None)


def test_weights_that_are_missing_are_a_note_with_the_command():
    found = (
        "The COCO weights of yolox-nano are not on this machine; with them training needs far fewer images and minutes."
    )
    remedy = "Run: preannotate get base yolox-nano"

    assert list(base_weights.coco_weights()) == [Finding(Severity.NOTE, "base weights", found, remedy)]


def test_weights_that_are_here(tmp_path):
    keep(tmp_path, "yolox-nano")
    keep(tmp_path, "yolox-s")

    assert list(base_weights.coco_weights()) == [
        Finding(Severity.OK, "base weights", "COCO weights of yolox-nano, yolox-s")
    ]


def test_weights_that_have_changed_are_an_error(tmp_path):
    keep(tmp_path, "yolox-nano").write_bytes(b"changed")

    error, note = base_weights.coco_weights()
    assert (error.severity, note.severity) == (Severity.ERROR, Severity.NOTE)
    assert error.finding.endswith("has changed since it came from weights.onnx; expected the same content.")
    assert error.remedy.startswith("Run preannotate get base yolox-nano to get it again")


def test_a_machine_that_does_not_train_needs_none(monkeypatch):
    monkeypatch.setattr(base_weights, "installed", lambda package: None)

    assert list(base_weights.coco_weights()) == []
