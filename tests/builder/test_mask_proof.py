"""The proof of a function that gives masks: their average precision and their overlap with the reference's."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builder.check import check
from builder.function_directory import Verdict
from builder.variant_run import detect_with_variant
from builder.variants import VARIANTS
from evaluation import ground_truth, reference
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from evaluation.reference import Reference
from runtime.manifest import Manifest
from tests.support.mask_function import SIZE, write_mask_function

pytest.importorskip("openvino")


def _write_validation(directory: Path) -> None:
    """Frozen images whose annotations and whose reference are what the function finds."""
    validation = directory.parent / "validation"
    validation.mkdir()
    Image.new("RGB", SIZE, (90, 120, 60)).save(validation / "a.png")
    nothing = AnnotatedImage("a", "a.png", SIZE, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    truth = GroundTruth(validation, (), (nothing,))
    manifest = Manifest.read(directory)
    (found,) = detect_with_variant(VARIANTS["cpu"], directory, manifest, truth).direct
    boxes, class_ids = np.float32([one.box for one in found]), np.array([one.class_id for one in found])
    annotated = AnnotatedImage("a", "a.png", SIZE, boxes, class_ids, tuple(one.mask for one in found))
    ground_truth.write(validation, manifest.labels, [annotated])
    reference.write(validation, Reference("by hand", [found]))


def test_masks_are_scored_and_compared_down_to_the_answer(tmp_path: Path) -> None:
    directory = write_mask_function(tmp_path, ("mask", "polygon"))
    _write_validation(directory)

    proof = check(directory)

    assert proof.problems == ()
    assert proof.verdict is Verdict.PASSED
    parity = json.loads((directory / "parity.json").read_text())
    assert {name: (one["map50"], one["mask_map50"]) for name, one in parity["scores"].items()} == dict.fromkeys(
        ("reference", "ir", "served"), (1.0, 1.0)
    )
    assert {name: one["median_mask_iou"] for name, one in parity["differences"].items()} == {
        "ir vs reference": 1.0,
        "served vs ir": 1.0,
    }


def test_other_masks_in_the_same_boxes_are_found_out(tmp_path: Path) -> None:
    directory = write_mask_function(tmp_path)
    _write_validation(directory)
    path = directory.parent / "validation" / "reference.json"
    content = json.loads(path.read_text())
    for one in content["detections"][0]:
        mask = one["mask"]
        mask["runs"] = [0, mask["width"] * mask["height"]]  # the whole rectangle in place of a disc
    path.write_text(json.dumps(content))

    proof = check(directory)

    assert proof.verdict is Verdict.FAILED
    assert [problem.partition(":")[0] for problem in proof.problems] == ["ir vs reference"]
    assert "masks with a median IoU of 0." in proof.problems[0]
