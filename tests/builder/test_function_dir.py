"""A function directory does what a container would do with it: in a subprocess that sees nothing else."""

import base64
import importlib.util
import io
import json
import os
import subprocess
import sys
import textwrap

import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("nuclio_sdk"), reason="nuclio-sdk is not installed")

# One box of half the network's input at score 0.5 for class 0 and 0.75 for class 1.
FAKE_ENGINE = """
import numpy as np

class Engine:
    name, device = "fake", "none"

    def run(self, pixels):
        assert pixels.shape == (1, 320, 320, 3) and pixels.dtype == np.uint8
        return {
            "boxes": np.array([[[0, 0, 160, 120]]], np.float32),
            "scores": np.array([[[0.5, 0.75]]], np.float32),
        }

def load(directory):
    return Engine()
"""

# What nuclio's wrapper does with main.py.
WRAPPER = """
import json, logging, sys
import nuclio_sdk
import main, runtime

assert runtime.__file__.startswith(sys.path[0]), runtime.__file__
logger = nuclio_sdk.Logger("DEBUG")
logger.set_handler("default", sys.stderr, nuclio_sdk.logger.JSONFormatter())
context = nuclio_sdk.Context(logger=logger)
main.init_context(context)
for content_type, body in json.load(sys.stdin):
    if content_type != "application/json":
        body = body.encode()
    event = nuclio_sdk.Event(body=body, content_type=content_type)
    response = nuclio_sdk.Response.from_entrypoint_output(json.dumps, main.handler(context, event))
    print(json.dumps(response))
"""


def serve(function_dir, *requests):
    """Answers of a fresh process, and what it logged."""
    (function_dir / "runtime" / "engines" / "fake.py").write_text(FAKE_ENGINE)
    environment = {**os.environ, "PYTHONPATH": str(function_dir), "MODEL_ENGINE": "fake"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(WRAPPER)],
        input=json.dumps(requests),
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def picture(mode="RGB", size=(640, 480), kind="PNG", **options):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def test_requests_good_and_bad_in_one_worker(function_dir):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: 640x480 is shown as 480x640
    truncated = base64.b64encode(base64.b64decode(picture(kind="BMP"))[:1000]).decode()
    requests = [
        ["application/json", {"image": picture(), "threshold": 0.6}],
        ["application/json", {"image": picture()}],
        ["application/json; charset=utf-8", json.dumps({"image": picture("L")})],
        ["text/plain", "no JSON"],
        ["application/json", {"image": "!"}],
        ["application/json", {"image": truncated}],
        ["application/json", {"image": picture(kind="JPEG", exif=exif)}],
        ["application/json", {"image": picture("RGBA", (1, 1)), "threshold": 0}],
        ["application/json", {"image": picture("CMYK", kind="JPEG"), "threshold": 1}],
    ]
    answers, log = serve(function_dir, *requests)

    cat = {"confidence": "0.5000", "label": "cat", "points": [0.0, 0.0, 320.0, 240.0], "type": "rectangle"}
    large = {**cat, "label": 'Größe "XL"', "confidence": "0.7500"}
    assert [answer["content_type"] for answer in answers] == ["application/json"] * len(requests)
    assert [answer["status_code"] for answer in answers] == [200, 200, 200, 400, 400, 400, 200, 200, 200]
    bodies = [json.loads(answer["body"]) for answer in answers]
    assert bodies[0] == [large]  # 0.75 reaches 0.6
    assert bodies[1] == [large, cat]  # the model's own thresholds: 0.4 and 0.6
    assert bodies[2] == [large, cat]
    assert bodies[3]["error"].startswith("body: 7 bytes that are not JSON")
    assert bodies[4]["error"].startswith("image: text that is not base64")
    assert bodies[5]["error"].endswith("expected a whole image. Send the file again.")
    assert [shape["points"] for shape in bodies[6]] == [[0.0, 0.0, 320.0, 240.0]] * 2
    assert [shape["points"] for shape in bodies[7]] == [[0.0, 0.0, 0.5, 0.38]] * 2
    assert bodies[8] == []
    assert '"engine": "fake"' in log
    assert '"fingerprint": "' in log
    assert log.count('"message": "Bad request"') == 3
    assert "Traceback" not in log


def test_names_in_function_yaml_win(function_dir):
    path = function_dir / "function.yaml"
    path.write_text(path.read_text("utf-8").replace('"name": "cat"', '"name": "Katze"'), "utf-8")
    ((answer,), _) = serve(function_dir, ["application/json", {"image": picture(), "threshold": 0.4}])
    assert [shape["label"] for shape in json.loads(answer["body"])] == ['Größe "XL"', "Katze"]


def test_a_label_too_many_stops_at_the_start(function_dir):
    path = function_dir / "function.yaml"
    text = path.read_text("utf-8").replace("      ]\n", '        ,{"id": 2, "name": "dog"}\n      ]\n')
    path.write_text(text, "utf-8")
    answers, log = serve(function_dir, ["application/json", {"image": picture()}])
    assert answers == []
    assert log.strip().endswith(
        "runtime.errors.LabelError: function.yaml: label ids [0, 1, 2] in metadata.annotations.spec; expected 0 to 1, "
        "the classes in model.json. Edit names freely, but keep one entry per class."
    )
