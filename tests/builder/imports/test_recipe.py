"""What the recipe itself refuses; the whole way is in tests/preannotate/importing."""

import importlib.util
import re

import pytest

from builder.errors import BuildError
from builder.imports import import_model
from evaluation.ground_truth import GroundTruth


def test_a_missing_package(tmp_path, monkeypatch):
    (tmp_path / "od").mkdir()
    (tmp_path / "od" / "saved_model.pb").touch()
    request = import_model.ImportRequest(tmp_path / "od", ("cat",))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorflow" else name)
    sentence = (
        f"tensorflow: not installed; expected it for importing {tmp_path / 'od'}. Install it with: "
        "pip install 'preannotate[train]'."
    )
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        import_model.import_model(request, GroundTruth(tmp_path, ("cat",), ()), tmp_path / "run", for_calibration=False)


def test_what_openvino_cannot_convert_is_said_at_once(tmp_path, monkeypatch):
    def fail(export, directory, size):
        raise BuildError(
            f"{export}/saved_model: conversion to OpenVINO's IR: exit code 1 (no rule for CombinedNonMaxSuppression); "
            "expected it to succeed."
        )

    monkeypatch.setattr(import_model.openvino_ir, "convert", fail)
    sentence = (
        "od: OpenVINO cannot convert it: exit code 1 (no rule for CombinedNonMaxSuppression); expected operations that "
        "it knows, for every function has a CPU variant. Export the model to ONNX, or without its own suppression."
    )
    request = import_model.ImportRequest(import_model.Path("od"), ("cat",))
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        import_model._try_conversion(request, tmp_path, (64, 48), lambda step: None)
