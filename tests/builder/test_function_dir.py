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
import sys
import numpy as np

class Engine:
    name, device, warning = "fake", "none", "It is a fake."

    def run(self, pixels):
        assert pixels.shape[1:] == (320, 320, 3) and pixels.dtype == np.uint8
        print("engine called with", len(pixels), file=sys.stderr)
        return {
            "boxes": np.array([[[0, 0, 160, 120]]] * len(pixels), np.float32),
            "scores": np.array([[[0.5, 0.75]]] * len(pixels), np.float32),
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
def event_of(number, content_type, body):
    body = body if content_type == "application/json" else body.encode()
    return nuclio_sdk.Event(body=body, content_type=content_type, _id=f"event-{number}")

for number, request in enumerate(json.load(sys.stdin)):
    if isinstance(request[0], list):
        outputs = main.handler(context, [event_of(position, *part) for position, part in enumerate(request)])
        print(json.dumps([nuclio_sdk.Response.from_entrypoint_output(json.dumps, output) for output in outputs]))
    else:
        output = main.handler(context, event_of(number, *request))
        print(json.dumps(nuclio_sdk.Response.from_entrypoint_output(json.dumps, output)))
"""


def serve(function_dir, *requests, **variables):
    """Answers of a fresh process, and what it logged."""
    (function_dir / "runtime" / "engines" / "fake.py").write_text(FAKE_ENGINE)
    environment = {**os.environ, "PYTHONPATH": str(function_dir), "MODEL_ENGINE": "fake", **variables}
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


def test_a_batch_is_one_call_of_the_engine_and_each_event_gets_its_own_answer(function_dir):
    batch = [
        ["application/json", {"image": picture(), "threshold": 0.6}],
        ["text/plain", "no JSON"],
        ["application/json", {"image": picture(size=(320, 240))}],
        ["application/json", {"image": base64.b64encode(b"no picture").decode()}],
    ]
    answers, log = serve(function_dir, batch, batch[:1], [batch[1]])
    assert [answer["event_id"] for answer in answers[0]] == ["event-0", "event-1", "event-2", "event-3"]
    assert [answer["status_code"] for answer in answers[0]] == [200, 400, 200, 400]
    points = [[shape["points"] for shape in json.loads(answer["body"])] for answer in answers[0][::2]]
    assert points == [[[0.0, 0.0, 320.0, 240.0]], [[0.0, 0.0, 160.0, 120.0]] * 2]
    assert [answer["event_id"] for answer in answers[1]] == ["event-0"]  # a batch of one is a batch
    assert answers[2][0]["status_code"] == 400
    assert [line for line in log.splitlines() if "engine called" in line] == [
        "engine called with 1",  # to warm it up
        "engine called with 2",
        "engine called with 1",
    ]


def test_an_unreadable_image_may_be_answered_with_nothing(function_dir):
    unreadable = ["application/json", {"image": base64.b64encode(b"no picture").decode()}]
    requests = [unreadable, ["application/json", {"image": "!"}], ["application/json", {"image": picture()}]]
    answers, log = serve(function_dir, *requests, MODEL_UNREADABLE_IMAGE="empty")
    assert [answer["status_code"] for answer in answers] == [200, 400, 200]
    assert answers[0]["body"] == "[]"
    assert len(json.loads(answers[2]["body"])) == 2
    assert '"message": "Unreadable image, answered with no objects"' in log
    assert "image: 10 bytes that no image decoder knows" in log


def test_an_unknown_policy_for_unreadable_images_stops_at_the_start(function_dir):
    answers, log = serve(function_dir, MODEL_UNREADABLE_IMAGE="skip")
    assert answers == []
    assert log.strip().endswith(
        "runtime.errors.EngineError: MODEL_UNREADABLE_IMAGE: 'skip'; expected one of: error, empty."
    )


def test_a_warning_of_the_engine_is_in_the_log(function_dir):
    _, log = serve(function_dir)
    assert '"message": "It is a fake."' in log
