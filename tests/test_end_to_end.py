"""Annotations in, a proven function out, answering as CVAT asks: with the command line and the real components."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from evaluation import ground_truth
from runtime.boxes import iou

pytestmark = pytest.mark.slow

# After this long something hangs, however busy the machine is.
HANG_SECONDS = 1800


def preannotate(*arguments):
    command = [sys.executable, "-m", "preannotate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG_SECONDS)


def wait_until(condition, process):
    """Wait as long as the process lives."""
    deadline = time.monotonic() + HANG_SECONDS
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def function(trained, tmp_path_factory):
    """functions/rectangles, built by the command."""
    run, _ = trained
    functions = tmp_path_factory.mktemp("work") / "functions"
    done = preannotate("build", run, "--name", "rectangles", "--output", functions, "--json")
    assert done.returncode == 0, done.stderr
    return functions / "rectangles"


@pytest.fixture(scope="module")
def dashboard(function):
    """The address of `preannotate serve` with the built function."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "preannotate", "serve", function.parent, "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    wait_until(lambda: _ready(address), server)
    yield address
    server.send_signal(signal.SIGTERM)
    assert server.wait(HANG_SECONDS) == 0


def _ready(address):
    try:
        with urllib.request.urlopen(f"{address}/api/functions", timeout=HANG_SECONDS) as response:
            return json.load(response)["rectangles"]["status"]["state"] == "ready"
    except (OSError, KeyError):
        return False


def test_the_proof_says_that_all_answers_are_those_of_the_network(function, trained):
    _, summary = trained
    parity = json.loads((function / "nuclio" / "parity.json").read_text())

    scores = {name: item["map50"] for name, item in parity["scores"].items()}
    assert {"reference", "saved_model", "ir", "served"} <= set(scores)
    assert scores["reference"] == pytest.approx(summary["validation"]["map50"], abs=1e-4)
    assert scores["saved_model"] == pytest.approx(scores["reference"], abs=1e-4)
    assert scores["served"] >= scores["reference"] - 0.005


def test_check_passes_on_what_build_made(function):
    done = preannotate("check", function)

    assert done.returncode == 0, done.stdout + done.stderr


def test_evaluate_agrees_for_run_and_function(function, trained, rectangles):
    run, _ = trained
    results = [json.loads(preannotate("evaluate", model, rectangles, "--json").stdout) for model in (run, function)]

    assert results[0]["images"] == results[1]["images"] == 24
    assert results[0]["map50"] > 0.8
    assert results[1]["map50"] == pytest.approx(results[0]["map50"], abs=0.01)


def test_cvat_gets_the_rectangles_of_an_image(dashboard, trained):
    truth = ground_truth.read(trained[0] / "export" / "validation")
    found = 0
    for image in truth.images:
        body = json.dumps({"image": base64.b64encode(truth.data(image)).decode()}).encode()
        headers = {"Content-Type": "application/json", "x-nuclio-function-name": "rectangles"}
        request = urllib.request.Request(f"{dashboard}/api/function_invocations", body, headers)
        with urllib.request.urlopen(request, timeout=HANG_SECONDS) as response:
            shapes = json.load(response)
        for box, class_id in zip(image.boxes, image.class_ids, strict=True):
            same = [shape["points"] for shape in shapes if shape["label"] == truth.labels[class_id]]
            found += bool(same) and iou(box[None], np.array(same)).max() > 0.5
    boxes = sum(len(image.boxes) for image in truth.images)

    assert found >= 0.8 * boxes


def test_a_bad_request_gets_a_sentence_and_the_next_is_answered(dashboard):
    headers = {"Content-Type": "application/json", "x-nuclio-function-name": "rectangles"}
    request = urllib.request.Request(f"{dashboard}/api/function_invocations", b'{"image": "bm8="}', headers)

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=HANG_SECONDS)

    assert caught.value.code == 400
    assert json.load(caught.value) == {
        "error": "image: 2 bytes that no image decoder knows; expected a whole file in one of the formats "
        "JPEG, PNG, BMP, GIF, TIFF, WEBP, AVIF, JPEG2000, PPM."
    }


def test_annotate_writes_pictures_and_an_import_for_cvat(function, trained, tmp_path):
    images = trained[0] / "export" / "validation" / "images"
    done = preannotate(
        *("annotate", function, images, "--overlay", tmp_path / "overlays", "--json"),
        *("--export", "cvat-images", tmp_path / "found.zip"),
    )

    assert done.returncode == 0, done.stderr
    count = len(list(images.iterdir()))
    assert len(list((tmp_path / "overlays").iterdir())) == count
    assert (tmp_path / "found.zip").is_file()


def test_a_killed_training_continues(rectangles, tmp_path):
    """`kill -9` in the middle of an epoch; what is left is resumed by the command."""
    run = tmp_path / "run"
    arguments = "epochs=400,batch_size=8,image_size=96,augment=none"
    command = [sys.executable, "-m", "preannotate", "train", rectangles, "--base-model", "none"]
    process = subprocess.Popen(
        [*command, "--arguments", arguments, "--output", run], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    # Each checkpoint replaces the one before: which of them is seen depends on the machine.
    wait_until(lambda: [path for path in run.glob("checkpoints/epoch-*") if path.name > "epoch-00001"], process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    # The rest is cut short: 400 epochs are only there so that the kill hits a running training.
    config = json.loads((run / "config.json").read_text())
    epochs = config["arguments"]["epochs"] = int(max(run.glob("checkpoints/epoch-*")).name.removeprefix("epoch-")) + 2
    (run / "config.json").write_text(json.dumps(config))
    done = preannotate("train", "--resume", run, "--json")

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["epochs"] == epochs
    assert (run / "export" / "saved_model" / "saved_model.pb").is_file()
