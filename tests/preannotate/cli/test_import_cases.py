"""`preannotate import` on files that people bring, where PREANNOTATE_SHARED has them: two objects on every image."""

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("openvino")

from evaluation import reference
from preannotate.cli.main import main

SHARED = Path(os.environ.get("PREANNOTATE_SHARED", Path(__file__).parents[4] / "shared"))
CASES = SHARED / "cases" / "h04-import"
LABELS = CASES / "two.txt"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CASES.is_dir(), reason="PREANNOTATE_SHARED has no cases/h04-import"),
]


def bring(case, images, tmp_path):
    words = [CASES / case, "--labels", LABELS, "--proof-images", images, "--output", tmp_path, "--json"]
    return main(["import", *map(str, words)])


@pytest.mark.parametrize(
    ("case", "adapter"),
    [
        ("yolov8.onnx", "yolov8"),
        ("yolov8_transposed.onnx", "yolov8_transposed"),
        ("yolov6.onnx", "yolov6"),
        ("rtdetr_ultralytics.onnx", "rtdetr_ultralytics_topk"),
    ],
)
def test_the_objects_are_found_where_they_are(case, adapter, tmp_path, capsys):
    assert bring(case, CASES / "annotated", tmp_path) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["adapter"] == adapter
    assert answer["scores"]["mean_ap"] == pytest.approx(1)


def test_an_object_that_fills_the_image(tmp_path, capsys):
    assert bring("rtdetr_big.onnx", CASES / "annotated" / "images", tmp_path) == 0
    found = reference.read(tmp_path / "rtdetr-big" / "export" / "validation", ["bolt", "gear"]).detections
    assert [[item.box for item in items] for items in found] == [[pytest.approx((20, 20, 300, 300))]] * 12


def test_a_column_for_the_background_is_not_taken_for_a_label(tmp_path, capsys):
    assert bring("boxes_scores_parts.onnx", CASES / "annotated", tmp_path) == 2
    assert "yolov4 (a column for the background)" in capsys.readouterr().err
