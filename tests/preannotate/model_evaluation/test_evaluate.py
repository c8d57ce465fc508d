"""What is measured is what CVAT would get: a function's own labels, and detections of its own handler."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from builder.static_check import TEMPLATE
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from preannotate.model_evaluation import evaluate
from runtime.errors import ManifestError
from runtime.masks import InstanceMask


def test_a_function_is_measured_by_the_labels_of_its_function_yaml(function, monkeypatch, tmp_path):
    engines = function / "nuclio" / "runtime" / "engines"
    shutil.copy(engines / "fake.py", engines / "openvino.py")
    shutil.copy(TEMPLATE / "main.py", function / "nuclio")
    picture = Image.new("RGB", (64, 64))
    picture.paste((255, 0, 0), (8, 16, 32, 64))
    picture.save(tmp_path / "a.png")
    seen = []

    def load(exports, store, labels, **options):
        seen.append(labels)
        image = AnnotatedImage("a", "a.png", (64, 64), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
        return GroundTruth(tmp_path, labels, (image,))

    monkeypatch.setattr(evaluate, "load_ground_truth", load)
    found = evaluate.detect_on_exports(function, [tmp_path])

    assert seen == [("Kätzchen & <co>", "dog")]
    assert [detection.label for detection in found.detections[0]] == ["Kätzchen & <co>", "dog"]


def test_masks_are_measured_where_the_model_gives_them_and_some_are_annotated(mask_function, monkeypatch, tmp_path):
    engines = mask_function / "nuclio" / "runtime" / "engines"
    shutil.copy(engines / "fake.py", engines / "openvino.py")
    shutil.copy(TEMPLATE / "main.py", mask_function / "nuclio")
    picture = Image.new("RGB", (64, 64))
    picture.paste((255, 0, 0), (8, 16, 32, 64))
    picture.save(tmp_path / "a.png")
    box = np.float32([[8, 16, 32, 64]])
    whole = InstanceMask.from_bitmap(np.ones((48, 24)), 8, 16)
    images = [AnnotatedImage("a", "a.png", (64, 64), box, np.array([0]), masks) for masks in ((whole,), ())]

    monkeypatch.setattr(
        evaluate, "load_ground_truth", lambda exports, store, labels, **_: GroundTruth(tmp_path, labels, (images[0],))
    )
    found = evaluate.detect_on_exports(mask_function, [tmp_path])

    assert found.score().ap50["Kätzchen & <co>"] == pytest.approx(1)
    # All but a quarter of the box: an IoU of about 3/4.
    assert found.score_masks().ap50["Kätzchen & <co>"] == pytest.approx(1)
    assert 0.4 < found.score_masks().ap["Kätzchen & <co>"] < 0.7
    assert replace(found, images=[images[1]]).score_masks() is None


def test_what_is_no_model(tmp_path):
    with pytest.raises(ManifestError, match=r"model\.json: no such file"):
        evaluate.detect_on_exports(tmp_path, [])
