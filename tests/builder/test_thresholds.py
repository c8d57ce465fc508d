"""Thresholds change together with the proof, or not at all."""

import json
import re

import pytest
from support.functions import prove

from builder import check as check_module
from builder.check import check
from builder.errors import BuildError, CheckFailed
from builder.function_directory import FunctionDirectory, Proof
from builder.thresholds import change_threshold
from runtime.manifest import Manifest


def thresholds_of(directory):
    cut = Manifest.read(directory).postprocess
    return cut.threshold, cut.thresholds


@pytest.fixture
def proven(function_dir):
    prove(function_dir, boxes=3)
    return function_dir


def test_one_threshold_for_all_labels_or_one_of_each(proven):
    change_threshold(proven.parent, 0.7, where="cats")
    assert thresholds_of(proven) == (0.7, (0.7, 0.7))
    change_threshold(proven, {'Größe "XL"': 0}, where="cats")
    assert thresholds_of(proven) == (0.7, (0.7, 0.0))

    assert FunctionDirectory(proven).proof_problems() == []
    assert FunctionDirectory(proven).proof().next_manifest == ""


def test_a_check_passes_after_a_change(proven, monkeypatch):
    monkeypatch.setattr(check_module, "require_packages", lambda extras, purpose: None)
    monkeypatch.setattr(check_module, "prove", lambda function, validation: Proof(figures={"boxes": 3}))
    change_threshold(proven, 0.7, where="cats")

    assert check(proven).problems == ()
    assert FunctionDirectory(proven).proof_problems() == []


def edit_by_hand(directory):
    path = directory / "model.json"
    content = json.loads(path.read_text("utf-8"))
    content["postprocess"]["thresholds"] = [0.1, 0.1]
    path.write_text(json.dumps(content), "utf-8")


def test_a_threshold_that_was_edited_by_hand_is_named(proven):
    edit_by_hand(proven)

    for problems in (FunctionDirectory(proven).proof_problems(), check(proven).problems):
        assert [problem.partition(";")[0] for problem in problems] == ["model.json: changed after the proof"]


def test_a_change_does_not_hide_an_edit_by_hand(proven):
    edit_by_hand(proven)

    with pytest.raises(BuildError, match=r"model\.json: changed after the proof; expected the file that was proven\. "):
        change_threshold(proven, 0.7, where="cats")
    assert thresholds_of(proven) == (0.5, (0.1, 0.1))


def test_a_change_does_not_hide_other_changed_files(proven):
    (proven / "model.bin").write_bytes(b"WEIGHTS")
    change_threshold(proven, 0.7, where="cats")

    (problem,) = FunctionDirectory(proven).proof_problems()
    assert problem.startswith("model.bin: changed after the proof")


def test_what_is_not_proven_stays_so(function_dir):
    change_threshold(function_dir, 0.7, where="cats")

    assert thresholds_of(function_dir) == (0.7, (0.7, 0.7))
    assert FunctionDirectory(function_dir).proof() is None


def test_labels_are_called_as_in_function_yaml(proven):
    path = proven / "function.yaml"
    path.write_text(path.read_text("utf-8").replace('"name": "cat"', '"name": "Katze"'), "utf-8")
    change_threshold(proven, {"Katze": 0.9}, where="cats")

    assert thresholds_of(proven) == (0.5, (0.9, 0.6))
    assert Manifest.read(proven).labels[0] == "cat"  # the name stays where it was given


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (1.5, "here: threshold 1.5; expected a number in [0, 1]."),
        (True, "here: threshold True; expected a number in [0, 1]."),
        (float("nan"), "here: threshold nan; expected a number in [0, 1]."),
        ({"cat": -1}, "here: label 'cat': threshold -1; expected a number in [0, 1]."),
        ({"cow": 0.5}, "here: no label 'cow'; expected one of: cat, Größe \"XL\"."),
    ],
)
def test_impossible_thresholds_change_nothing(proven, value, sentence):
    before = {path: path.read_bytes() for path in proven.glob("*.json")}

    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        change_threshold(proven, value, where="here")
    assert {path: path.read_bytes() for path in proven.glob("*.json")} == before


@pytest.mark.parametrize("writes", [0, 1])
def test_a_change_that_is_cut_off_leaves_a_proven_function(proven, monkeypatch, writes):
    """After the old file and the new one, whatever came last."""
    write_proof, left = FunctionDirectory.write_proof, [writes]

    def cut_off(self, proof):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write_proof(self, proof)

    monkeypatch.setattr(FunctionDirectory, "write_proof", cut_off)
    with pytest.raises(KeyboardInterrupt):
        change_threshold(proven, 0.7, where="cats")

    assert thresholds_of(proven)[0] == (0.5 if writes == 0 else 0.7)
    assert FunctionDirectory(proven).proof_problems() == []
    monkeypatch.undo()
    change_threshold(proven, 0.8, where="cats")
    assert FunctionDirectory(proven).proof_problems() == []


def test_where_nobody_annotated_the_function_is_proven_again_before_it_changes(function_dir, monkeypatch):
    prove(function_dir, boxes=0, scores={"served": {"map50": 1.0}})
    seen = []

    def check_copy(copy, validation):
        seen.append((thresholds_of(copy), thresholds_of(function_dir), validation))
        return Proof(problems, figures={"boxes": 0, "scores": {"served": {"map50": 0.9}}})

    monkeypatch.setattr(check_module, "check", check_copy)
    problems = ("ir: mAP50 lost.",)
    with pytest.raises(CheckFailed, match=r"^ir: mAP50 lost\.$"):
        change_threshold(function_dir, 0.7, where="cats")
    assert thresholds_of(function_dir) == (0.5, (0.4, 0.6))

    problems = ()
    change_threshold(function_dir, 0.7, where="cats")
    assert seen[-1] == ((0.7, (0.7, 0.7)), (0.5, (0.4, 0.6)), function_dir.parent / "validation")
    assert FunctionDirectory(function_dir).proof().figures["scores"]["served"]["map50"] == 0.9
    assert FunctionDirectory(function_dir).proof_problems() == []
