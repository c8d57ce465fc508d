"""Photos of which the first show no object: what a network says of the others chooses the adapter."""

import numpy as np
import pytest
from PIL import Image

from builder.imports import adapter_selection, adapters
from builder.imports.layout import Layout
from builder.imports.reference_engine import ReferenceEngine
from evaluation.ground_truth import AnnotatedImage, GroundTruth

SIZE = (64, 64)
BOX = (10.0, 20.0, 40.0, 60.0)
PHOTOS = adapter_selection._TRIED + 2


@pytest.fixture
def photos(tmp_path):
    """All black, but for the last one."""
    images = []
    for number in range(PHOTOS):
        name = f"{number}.png"
        Image.new("RGB", SIZE, (255, 255, 255) if number == PHOTOS - 1 else (0, 0, 0)).save(tmp_path / name)
        images.append(AnnotatedImage(name, name, SIZE, np.zeros((0, 4), np.float32), np.zeros(0, np.int64)))
    return GroundTruth(tmp_path, ("bolt", "gear"), tuple(images))


def choose(photos, row):
    """Of a network with 300 rows of zeros, the first of which is `row` on a white image."""
    candidates = adapters.fitting_adapters("onnx", {"output0": (1, 300, 6)}, SIZE, num_labels=2, wanted=None)

    def run(pixels):
        rows = np.zeros((1, 300, 6), np.float32)
        rows[0, 0] = np.array(row) * (pixels.mean() > 128)
        return [rows]

    def make_engine(candidate):
        layout = Layout(SIZE, 2, candidate.adapter.FIRST_CLASS)
        return ReferenceEngine(run, lambda pixels: pixels, candidate.adapter, layout)

    return adapter_selection.choose(candidates, lambda: candidates, make_engine, photos, 0.5)


def test_an_object_on_the_last_photo_decides(photos):
    chosen, found = choose(photos, (*BOX, 0.9, 1))
    assert chosen.name == "yolov10"
    assert [item.box for items in found for item in items] == [BOX]
    chosen, found = choose(photos, (0.4, 0.5, 0.5, 0.5, 0.9, 1))
    assert chosen.name == "rtdetr_ultralytics_topk"
    assert [len(items) for items in found] == [0] * (PHOTOS - 1) + [1]


def test_without_any_object_nothing_is_found(photos):
    _, found = choose(photos, (0,) * 6)
    assert found == [[]] * PHOTOS
