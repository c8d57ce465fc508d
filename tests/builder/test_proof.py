"""A real network from its export to the proof, and the proof of a network that was exchanged."""

import json
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from builder import proof
from builder.check import check
from builder.function_directory import FunctionDirectory, Verdict
from builder.variant_run import detect_with_variant
from builder.variants import VARIANTS
from evaluation import ground_truth, reference
from evaluation.parity import Difference
from runtime.manifest import Manifest, Tiles


@pytest.fixture
def built(squares_built):
    return squares_built


@pytest.fixture
def function(built, tmp_path):
    """A copy of functions/squares to break."""
    return shutil.copytree(built.directory.parent, tmp_path / "functions" / "squares")


def test_all_artefacts_find_every_square_and_agree(built):
    parity = json.loads((built.directory / "parity.json").read_text("utf-8"))
    assert parity["verdict"] == "passed"
    assert (parity["images"], parity["boxes"]) == (4, 12)
    assert {name: scores["map50"] for name, scores in parity["scores"].items()} == {
        "reference": 1.0,
        "saved_model": 1.0,
        "ir_f32": 1.0,
        "ir": 1.0,
        "served": 1.0,
        "served_gpu": 1.0,
    }
    for difference in parity["differences"].values():
        assert difference["detections"] >= 12
        assert difference["unmatched"] == difference["beyond_tolerance"] == 0
    assert built.name == "squares"
    text = (built.directory / "function.yaml").read_text("utf-8")
    assert 'preannotate.map50: "1.0000"' in text and 'preannotate.mean_ap: "' in text
    assert sorted(path.name for path in built.directory.parent.iterdir()) == ["nuclio", "validation"]


def test_no_product_file_names_this_machine(built, squares_export):
    for path in built.directory.rglob("*"):
        if path.suffix in (".json", ".yaml", ".xml", ".py"):
            text = path.read_text("utf-8")
            assert str(squares_export.parents[1]) not in text
            assert str(built.directory.parents[1]) not in text


def test_a_checked_directory_is_unchanged_and_checks_again_somewhere_else(function):
    before = {path: path.read_bytes() for path in function.rglob("*") if path.is_file()}
    assert check(function).verdict is Verdict.PASSED
    assert {path: path.read_bytes() for path in function.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_an_exchanged_network_is_found_out(function):
    """The two classes change places in what the reference network is said to have found."""
    path = function / "validation" / "reference.json"
    content = json.loads(path.read_text())
    for image in content["detections"]:
        for detection in image:
            detection["class_id"] = 1 - detection["class_id"]
    path.write_text(json.dumps(content))
    proven = check(function)
    assert proven.verdict is Verdict.FAILED
    assert proven.figures["scores"]["reference"]["map50"] < 0.5
    assert proven.figures["differences"]["ir vs reference"]["unmatched"] == 24
    assert proven.problems == tuple(
        f"{name} vs reference: 24 of 24 detections unmatched and 0 beyond tolerance (up to 0 pixels, 0 of the score); "
        "expected the same detections. Do not deploy it."
        for name in ("ir_f32", "saved_model")
    )


@pytest.mark.slow
def test_tiles_are_one_model_in_both_engines_and_in_the_handler(function):
    """The images are twice as large as the network's input: four tiles each, beside the whole."""
    directory = FunctionDirectory.open(function)
    manifest = replace(Manifest.read(directory.path), tiles=Tiles(2))
    manifest.write(directory.path / "model.json")
    truth = ground_truth.read(directory.validation)
    found = detect_with_variant(VARIANTS["gpu"], directory.path, directory.manifest, truth).direct
    whole = reference.read(directory.validation, truth.labels).detections
    assert sum(map(len, found)) > sum(map(len, whole))  # squares lie across the cells of a tile
    assert proof.prove(FunctionDirectory.open(function), directory.validation).problems  # the reference has no tiles
    reference.write(directory.validation, reference.Reference("Keras", found))

    proven = proof.prove(FunctionDirectory.open(function), directory.validation)

    differences = proven.figures["differences"]
    assert {"saved_model vs reference", "ir vs reference", "served vs ir", "served_gpu vs saved_model"} < set(
        differences
    )
    for difference in differences.values():
        assert difference["detections"] > 24
        assert difference["unmatched"] == difference["beyond_tolerance"] == 0


def test_without_tensorflow_the_gpu_variant_is_said_to_be_unchecked(function, monkeypatch):
    monkeypatch.setattr(proof.importlib.util, "find_spec", lambda name: name != "tensorflow")
    proven = check(function)
    assert proven.verdict is Verdict.PASSED
    assert proven.notes == ("TensorFlow is not installed: SavedModel and GPU variant were not checked.",)
    assert set(proven.figures["scores"]) == {"reference", "ir_f32", "ir", "served"}


def test_a_loss_of_half_a_point_is_allowed_and_more_is_not():
    assert proof._parity_problems({"ir vs reference": Difference(60, 30, 0, 0.0, 0.0)}, "fp16") == []
    assert proof._losses({"reference": 0.9, "ir": 0.8951}, "mAP50", "fp16") == []
    assert proof._losses({"reference": 0.9, "ir": 0.8949}, "mAP50", "fp16") == [
        "ir: mAP50 0.8949, 0.0051 below the reference's; expected at most 0.005 below. Do not deploy it."
    ]


def test_where_nothing_is_found_nothing_is_proven(function):
    """Grey images: all artefacts agree, for they all find nothing."""
    for file in (function / "validation" / "images").iterdir():
        Image.new("RGB", Image.open(file).size, (128, 128, 128)).save(file)
    reference = function / "validation" / "reference.json"
    content = json.loads(reference.read_text())
    reference.write_text(json.dumps(content | {"detections": [[] for _ in content["detections"]]}))
    proven = check(function)
    assert proven.verdict is Verdict.FAILED
    assert proven.problems == (
        "nothing was compared: 0 detections above 0.05 on 4 images; expected some. Train longer, or import it again "
        "with photos of its classes (--proof-images).",
    )


@pytest.mark.parametrize(
    ("name", "precision", "median", "problem"),
    [
        ("saved_model vs reference", "fp16", 0.9991, False),
        ("saved_model vs reference", "fp16", 0.9985, True),
        ("served vs ir", "int8", 0.9985, True),
        ("ir vs reference", "fp16", 0.991, False),
        ("ir vs reference", "fp16", 0.985, True),
        ("ir vs reference", "int8", 0.9, False),
    ],
)
def test_masks_must_agree_as_well_as_the_precision_allows(name, precision, median, problem):
    difference = Difference(60, 0, 0, 0.0, 0.0, median, 0.5)
    assert bool(proof._parity_problems({name: difference}, precision)) is problem


def test_masks_that_differ_are_named():
    assert proof._parity_problems({"served vs ir": Difference(60, 0, 0, 0.0, 0.0, 0.9, 0.5)}, "fp16") == [
        "served vs ir: masks with a median IoU of 0.9000 (down to 0.5000); expected at least 0.999. Do not deploy it."
    ]
