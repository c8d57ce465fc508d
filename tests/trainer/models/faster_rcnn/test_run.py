"""Whole runs with a tiny backbone: what `tests/trainer/test_train.py` asks of SSD, and a function that gives masks."""

import json
import math

import numpy as np
import pytest
from PIL import Image, ImageDraw
from support.training import newest_checkpoint

from builder.build import build as build_function
from runtime.manifest import Manifest, MaskHead, MaskKind
from trainer import train
from trainer.arguments import parse_arguments
from trainer.models import MODELS
from trainer.request import TrainingRequest
from trainer.training_loop import TrainingLoop

pytestmark = pytest.mark.slow

SIZE = (128, 96)
LABELS = {"bright": 230, "dark": 20}
FAMILIES = ("family", "mask_family")


@pytest.fixture(scope="module")
def discs(tmp_path_factory):
    """Return a COCO export of 24 images, each with a bright and a dark disc as polygons."""
    folder, rng = tmp_path_factory.mktemp("discs"), np.random.default_rng(0)
    (folder / "images").mkdir()
    (folder / "annotations").mkdir()
    images, annotations = [], []
    for number in range(1, 25):
        pixels = rng.integers(100, 140, (SIZE[1], SIZE[0], 3), np.uint8)
        image = Image.fromarray(pixels)
        for place, value in enumerate(LABELS.values()):
            radius = rng.uniform(12, 24)
            x, y = rng.uniform(26, 38) + 64 * place, rng.uniform(26, 70)
            angles = [2 * math.pi * i / 24 for i in range(24)]
            polygon = [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]
            ImageDraw.Draw(image).polygon(polygon, fill=(value,) * 3)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": place + 1,
                    "segmentation": [[value for point in polygon for value in point]],
                    "bbox": [x - radius, y - radius, 2 * radius, 2 * radius],
                    "area": math.pi * radius**2,
                    "iscrowd": 0,
                }
            )
        image.save(folder / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": SIZE[0], "height": SIZE[1]})
    categories = [{"id": number, "name": label} for number, label in enumerate(LABELS, start=1)]
    content = {"images": images, "categories": categories, "annotations": annotations}
    (folder / "annotations" / "instances_default.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def training(discs, request, monkeypatch):
    """Return a function that makes the request of a training: fixture of its family, folder, arguments."""

    def make(family_name, output, arguments):
        model = request.getfixturevalue(family_name)
        monkeypatch.setitem(MODELS, model.name, model)
        overrides = parse_arguments(f"batch_size=8,image_size=128x96,seed=3,{arguments}")
        return TrainingRequest(
            exports=(discs,), output=output, model=model.name, base_model="none", overrides=overrides
        )

    return make


@pytest.mark.parametrize("family_name", FAMILIES)
def test_a_resumed_run_equals_an_uninterrupted_one(family_name, training, tmp_path, monkeypatch):
    train.start(training(family_name, tmp_path / "whole", "epochs=3"))
    record = TrainingLoop._record

    def record_then_die(self, state):
        record(self, state)
        if state.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_record", record_then_die)
        with pytest.raises(KeyboardInterrupt):
            train.start(training(family_name, tmp_path / "parts", "epochs=3"))
    train.resume(tmp_path / "parts")

    whole, parts = newest_checkpoint(tmp_path / "whole"), newest_checkpoint(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name], err_msg=name)


def test_a_training_on_polygons_becomes_a_function_with_the_masks_of_its_network(training, tmp_path):
    summary = train.start(training("mask_family", tmp_path / "run", "epochs=30,augment=weak"))
    proof = build_function(tmp_path / "run" / "export", tmp_path / "functions", name="discs").proof

    assert summary["validation_masks"]["map50"] > 0.8
    assert Manifest.read(tmp_path / "run" / "export").mask_head == MaskHead(MaskKind.BOX_MASKS)
    for artefact in ("saved_model", "ir_f32"):
        difference = proof.figures["differences"][f"{artefact} vs reference"]
        assert (difference["unmatched"], difference["median_mask_iou"] >= 0.999) == (0, True)
    scores = proof.figures["scores"]
    assert scores["served"]["mask_map50"] == pytest.approx(scores["reference"]["mask_map50"], abs=0.005)
