"""A ready model that needs no download: the drawn network that finds red and blue squares."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.modules import load_module

from preannotate.model_catalogue.entries import find

BUILDER_TESTS = Path(__file__).parents[2] / "builder"


@pytest.fixture(scope="session")
def squares():
    """`tests/builder/squares.py`, which draws images of squares."""
    return load_module(BUILDER_TESTS / "squares.py")


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """squares.onnx, in the layout of YOLOX."""
    pytest.importorskip("openvino")
    pytest.importorskip("onnx")
    pytest.importorskip("nuclio_sdk")
    module = load_module(BUILDER_TESTS / "imports" / "squares_onnx.py")
    return module.write("yolox", tmp_path_factory.mktemp("network") / "squares.onnx")


@pytest.fixture
def model():
    """Its entry in a catalogue."""
    return replace(
        find("coco-fastestdet"),
        name="squares",
        title="Squares",
        adapter="yolox",
        labels=("red", "blue"),
        address=None,
        size=None,
        sha256=None,
        input_size=None,
        accuracy="mAP 99 on squares",
    )
