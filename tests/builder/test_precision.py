"""INT8: built where it is accurate enough, FP16 with a reason where it is not."""

import importlib.util
import re
import shutil

import pytest

from builder import int8, proof
from builder import precision as precisions
from builder.build import build
from builder.check import check
from builder.errors import BuildError
from builder.function_directory import Verdict
from builder.function_yaml import image_name

needs_nncf = pytest.mark.skipif(importlib.util.find_spec("nncf") is None, reason="nncf is not installed")


def expect(sentence, action):
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        action()


def test_nncf_that_is_not_installed(export, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    sentence = (
        "nncf: not installed; expected it for --precision int8. Install it with: pip install 'preannotate[int8]'."
    )
    expect(sentence, lambda: build(export, tmp_path / "functions", precision="int8"))
    assert not (tmp_path / "functions").exists()


@pytest.mark.parametrize("exists", [False, True])
def test_no_calibration_images(export, tmp_path, monkeypatch, exists):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    if exists:
        (export / "calibration").mkdir()
    sentence = (
        f"{export / 'calibration'}: no PNG images; expected images to quantise with. Train again, or import with "
        "--proof-images."
    )
    expect(sentence, lambda: build(export, tmp_path / "functions", precision="int8"))


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [((0.8,), (0.7,), -0.1), ((0.8, 0.4), (0.8, 0.35), -0.05), ((0.8, 0.4), (0.7, 0.4), -0.1)],
)
def test_what_nncf_measures_falls_with_boxes_and_with_masks(before, after, change):
    assert int8.lowest_change(before, after) == pytest.approx(int8.lowest_change(before, before) + change)


@pytest.mark.slow
@needs_nncf
def test_int8_that_is_accurate_is_kept_proven_and_said(squares_export, tmp_path):
    built = build(squares_export, tmp_path / "functions", precision="int8")
    figures = built.proof.figures
    outcome = figures["precision"]
    assert (outcome["requested"], outcome["built"], outcome["attempt"]) == ("int8", "int8", "plain")
    assert outcome["map50"] == {"reference": 1.0, "fp16": 1.0, "int8": 1.0}
    assert outcome["model_bin_bytes"]["int8"] == (built.directory / "model.bin").stat().st_size
    assert outcome["latency_ratio"] > 0
    assert figures["differences"]["served vs ir"]["unmatched"] == 0
    text = (built.directory / "model.xml").read_text("utf-8")
    assert "FakeQuantize" in text or 'element_type="i8"' in text
    assert str(tmp_path) not in text and str(squares_export) not in text
    cpu, gpu = ((built.directory / name).read_text("utf-8") for name in ("function.yaml", "function-gpu.yaml"))
    assert 'preannotate.precision: "int8"' in cpu and "-int8" in cpu
    assert "int8" not in gpu
    again = check(built.directory)
    assert again.verdict is Verdict.PASSED
    assert again.figures["precision"] == outcome


@pytest.mark.slow
@needs_nncf
def test_int8_that_loses_too_much_is_not_built_and_the_reason_is_said(
    squares_export, squares_built, tmp_path, monkeypatch
):
    monkeypatch.setattr(precisions, "LARGEST_LOSS", -0.1)  # no network can gain that much
    function = shutil.copytree(squares_built.directory.parent, tmp_path / "squares")
    before = {name: (function / "nuclio" / name).read_bytes() for name in ("model.xml", "model.bin")}
    steps = []
    outcome = precisions.quantise(squares_export, function / "nuclio", function / "validation", steps.append)
    assert steps == ["Quantising to INT8 (plain)", "Quantising to INT8 (control)"]
    assert outcome["built"] == "fp16"
    assert outcome["reason"] == (
        "INT8 has mAP50 1.0000, mAP 1.0000 on the 4 validation images, 0.0000 and 0.0000 below the reference's; "
        "expected at most -0.1 below, so FP16 was built."
    )
    assert precisions.describe_precision(outcome) == outcome["reason"]
    assert {name: (function / "nuclio" / name).read_bytes() for name in before} == before


def test_what_is_said_about_an_int8_network():
    outcome = {
        "built": "int8",
        "map50": {"reference": 0.95, "fp16": 0.95, "int8": 0.945},
        "mean_ap": {"reference": 0.6, "fp16": 0.61, "int8": 0.58},
        "model_bin_bytes": {"fp16": 1000, "int8": 550},
        "latency_ratio": 0.5,
    }
    sentence = (
        "INT8: mAP50 0.9450, mAP 0.5800 (FP16: mAP50 0.9500, mAP 0.6100), 55% of the size, 0.50 of the time of an "
        "inference with one thread."
    )
    assert precisions.describe_precision(outcome) == sentence
    assert precisions.describe_precision({**outcome, "latency_ratio": 0.97}).endswith(
        "0.97 of the time of an inference with one thread. It is no faster here: the processor may lack "
        "instructions for 8 bits."
    )


def test_an_int8_network_may_lose_a_point_and_an_fp16_one_half():
    measured = {"reference": 0.9, "ir": 0.892, "served": 0.892, "saved_model": 0.9}
    assert proof._losses(measured, "mAP50", "int8") == []
    assert proof._losses(measured, "mAP50", "fp16") == [
        f"{name}: mAP50 0.8920, 0.0080 below the reference's; expected at most 0.005 below. Do not deploy it."
        for name in ("ir", "served")
    ]
    lost = {"reference": 0.9, "saved_model": 0.892}
    assert len(proof._losses(lost, "mAP50", "int8")) == 1  # only what was quantised may


def test_images_of_both_precisions_have_tags_of_their_own():
    fingerprint = {"preannotate.fingerprint": "0123456789abcdef"}
    assert image_name("cats", fingerprint) == "preannotate.cats:0123456789abcdef"
    assert (
        image_name("cats", {**fingerprint, "preannotate.precision": "int8"}) == "preannotate.cats:0123456789abcdef-int8"
    )
