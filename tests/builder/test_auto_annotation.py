"""The function as cvat-sdk takes it: its own types, its own rules, its own way to load a file."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cvat_sdk")
pytest.importorskip("openvino")

# cvat-cli loads the file so, and cvat-sdk's driver asks it so and checks what it says.
CLIENT = """
import importlib.util, io, json, logging, sys
import PIL.Image
import cvat_sdk.auto_annotation as cvataa
from cvat_sdk import models
from cvat_sdk.auto_annotation import driver

spec = importlib.util.spec_from_file_location("__cvat_function__", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
function = module.create()
assert isinstance(function.spec, cvataa.DetectionFunctionSpec)
import runtime
assert runtime.__file__.startswith(sys.argv[2]), runtime.__file__

task_labels = [
    models.Label(id=70 + number, name=label.name, type="rectangle", attributes=[], sublabels=[])
    for number, label in enumerate(function.spec.labels)
]
mapper = driver._AnnotationMapper(
    logging.getLogger(), function.spec.labels, task_labels, allow_unmatched_labels=False, conv_mask_to_poly=False
)
answers = []
for path, threshold in json.load(sys.stdin):
    context = driver._DetectionFunctionContextImpl(
        frame_name="a.png", conf_threshold=threshold, conv_mask_to_poly=False
    )
    tags, shapes = mapper.validate_and_remap(function.detect(context, PIL.Image.open(path)), 5)
    assert tags == []
    answers.append([[s.label_id, s.frame, s.type.value, s.source, list(s.points)] for s in shapes])
print(json.dumps({"names": [label.name for label in function.spec.labels], "answers": answers}))
"""


def ask(nuclio, *questions):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", CLIENT, str(nuclio / "auto_annotation.py"), str(nuclio)],
        input=json.dumps(questions),
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_cvat_sdk_gets_what_cvat_gets(squares_built, tmp_path):
    nuclio = squares_built.directory
    images = sorted((nuclio.parent / "validation" / "images").iterdir())
    turned = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 3
    with Image.open(images[0]) as image:
        image.rotate(180).save(turned, exif=exif)
    found = ask(nuclio, [str(images[0]), None], [str(images[0]), 1.0], [str(turned), None])
    assert found["names"] == ["red square", 'blau ▪ "quadrat"']
    first, none, turned_back = found["answers"]
    assert len(first) == 3
    assert none == []
    assert first == turned_back  # boxes in the frame that people see
    for label_id, frame, kind, source, points in first:
        assert label_id in (70, 71)
        assert (frame, kind, source) == (5, "rectangle", "auto")
        assert np.isfinite(points).all()
