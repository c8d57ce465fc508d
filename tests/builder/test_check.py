"""A check finds the function, says what is wrong, and writes it down."""

import json
import re

import numpy as np
import pytest

from builder import check as check_module
from builder.check import check
from builder.errors import BuildError, CheckFailed
from builder.function_directory import Proof, Verdict
from builder.proof import read_validation
from evaluation import ground_truth
from evaluation.ground_truth import AnnotatedImage


def expect(sentence, action, error=BuildError):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        action()


def test_no_function(tmp_path):
    sentence = f"{tmp_path}: no function directory; expected functions/NAME, as `preannotate build` makes them."
    expect(sentence, lambda: check(tmp_path))


def test_a_broken_function_is_not_run_and_its_parity_json_says_why(function_dir):
    (function_dir / "model.xml").unlink()
    proof = check(function_dir.parent)
    sentence = "model.xml: no such file; expected a whole function directory. Build the function again."
    assert proof.problems == (sentence,)
    assert proof.verdict is Verdict.FAILED
    assert json.loads((function_dir / "parity.json").read_text("utf-8")) == {
        "verdict": "failed",
        "problems": [sentence],
        "notes": [],
    }
    assert not list(function_dir.glob(".parity*"))


def test_a_failed_proof_raises_its_first_problem():
    Proof().raise_if_failed()
    expect("one.", Proof(("one.",)).raise_if_failed, CheckFailed)
    expect("one. (2 more problems)", Proof(("one.", "two.", "three.")).raise_if_failed, CheckFailed)


def test_a_missing_package(function_dir, monkeypatch):
    monkeypatch.setattr(check_module, "_NEEDED", {"no_such_package": "build"})
    sentence = (
        "no_such_package: not installed; expected it for checking. Install it with: pip install 'preannotate[build]'."
    )
    expect(sentence, lambda: check(function_dir))


def test_no_validation_images(tmp_path):
    path = tmp_path / "ground_truth.json"
    sentence = (
        f"{path}: FileNotFoundError [Errno 2] No such file or directory: '{path}'; expected the frozen validation "
        "images of a run. Train again."
    )
    expect(sentence, lambda: read_validation(tmp_path))


def write_one_image(folder):
    image = AnnotatedImage("a", "a.png", (4, 4), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    ground_truth.write(folder, ["cat"], [image])


def test_no_detections_of_the_reference_network(tmp_path):
    write_one_image(tmp_path)
    path = tmp_path / "reference.json"
    path.write_text("{}")
    sentence = f"{path}: KeyError 'detections'; expected the detections of a reference. Train or import again."
    expect(sentence, lambda: read_validation(tmp_path))
    path.write_text('{"network": "Keras", "detections": [[{"class_id": 1, "score": 0.5, "box": [0, 0, 1, 2]}]]}')
    sentence = (
        f"{path}: IndexError tuple index out of range; expected the detections of a reference. Train or import again."
    )
    expect(sentence, lambda: read_validation(tmp_path))


def test_detections_of_another_number_of_images(tmp_path):
    write_one_image(tmp_path)
    (tmp_path / "reference.json").write_text('{"network": "Keras", "detections": [[], []]}')
    sentence = (
        f"{tmp_path}: 1 images and 2 lists of detections in reference.json; "
        "expected as many, and at least one. Train or import again."
    )
    expect(sentence, lambda: read_validation(tmp_path))
    (tmp_path / "reference.json").write_text(
        '{"network": "Keras", "detections": [[{"class_id": 0, "score": 0.5, "box": [0, 0, 1, 2]}]]}'
    )
    assert read_validation(tmp_path)[1].detections[0][0].label == "cat"
