"""A function that gives masks, from its network to what CVAT and cvat-sdk get, in processes of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builder import static_check
from builder.probe import unpack
from builder.variant_run import detect_with_variant, run_probe
from builder.variants import VARIANTS
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from runtime.manifest import Manifest
from runtime.masks import mask_iou
from tests.support.mask_function import BOXES, SIZE, write_mask_function

pytest.importorskip("openvino")


def _image(folder: Path) -> GroundTruth:
    Image.new("RGB", SIZE, (90, 120, 60)).save(folder / "a.png")
    image = AnnotatedImage("a.png", "a.png", SIZE, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    return GroundTruth(folder, (), (image,))


def test_the_handler_answers_masks_and_polygons_and_the_detector_gives_the_same_ones(tmp_path: Path) -> None:
    directory = write_mask_function(tmp_path, ("mask", "polygon"))
    assert static_check.problems(directory) == []
    run = detect_with_variant(VARIANTS["cpu"], directory, Manifest.read(directory), _image(tmp_path))
    assert run.problems == ()
    ((cell, spill),) = run.direct
    assert [one.box for one in (cell, spill)] == list(BOXES)
    assert (cell.mask.area, spill.mask.area) == pytest.approx((np.pi * 10**2, np.pi * (15**2 - 6.4**2)), rel=0.04)
    ((served_cell, served_spill),) = run.served
    assert served_cell.mask == cell.mask
    assert np.allclose(served_spill.box, spill.mask.box, atol=1)
    assert mask_iou([cell.mask], [served_cell.mask]) == 1


def test_answers_with_millions_of_pixels_are_kept_packed(tmp_path: Path) -> None:
    directory = write_mask_function(tmp_path)
    Image.new("RGB", (SIZE[0] * 40, SIZE[1] * 40)).save(tmp_path / "large.png")
    results = run_probe(directory, "openvino", [tmp_path / "large.png"], threshold=0.5, step="")
    body = results["served"][0]["body"]
    pixels = sum((x2 - x1) * (y2 - y1) * 40**2 for x1, y1, x2, y2 in BOXES)
    assert len(unpack(body)) >= 2 * pixels
    assert len(body) < pixels / 20


# As cvat-cli loads the file and cvat-sdk's driver asks it; prints type and points of each shape.
CLIENT = """
import importlib.util, json, logging, sys
import PIL.Image
from cvat_sdk import models
from cvat_sdk.auto_annotation import driver

spec = importlib.util.spec_from_file_location("__cvat_function__", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
function = module.create()
to_polygons, types = json.loads(sys.argv[3])
labels = [
    models.Label(id=70 + number, name=label.name, type=types[number], attributes=[], sublabels=[])
    for number, label in enumerate(function.spec.labels)
]
mapper = driver._AnnotationMapper(
    logging.getLogger(), function.spec.labels, labels, allow_unmatched_labels=False, conv_mask_to_poly=to_polygons
)
context = driver._DetectionFunctionContextImpl(frame_name="a", conf_threshold=None, conv_mask_to_poly=to_polygons)
tags, shapes = mapper.validate_and_remap(function.detect(context, PIL.Image.open(sys.argv[2])), 5)
print(json.dumps([[shape.type.value, list(shape.points)] for shape in shapes]))
"""


@pytest.mark.parametrize(
    ("to_polygons", "task_types", "expected"),
    [
        (False, ("mask", "polygon"), ["mask", "polygon"]),
        (True, ("polygon", "polygon"), ["polygon", "polygon"]),
        (False, ("any", "any"), ["mask", "polygon"]),
    ],
)
def test_cvat_sdk_gets_masks_or_polygons(
    tmp_path: Path, to_polygons: bool, task_types: tuple[str, str], expected: list[str]
) -> None:
    pytest.importorskip("cvat_sdk")
    from cvat_sdk.masks import decode_mask

    directory = write_mask_function(tmp_path, ("mask", "polygon"))
    _image(tmp_path)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    arguments = [str(directory / "auto_annotation.py"), str(tmp_path / "a.png"), json.dumps([to_polygons, task_types])]
    done = subprocess.run(
        [sys.executable, "-P", "-c", CLIENT, *arguments],
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shapes = json.loads(done.stdout)
    assert [kind for kind, _ in shapes] == expected
    if expected[0] == "mask":
        mask = decode_mask(shapes[0][1], image_width=SIZE[0], image_height=SIZE[1])
        assert mask.sum() == pytest.approx(np.pi * 10**2, rel=0.04)
