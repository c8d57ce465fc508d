"""From a task to boxes in it and back: the command, real trainings, the real `serve` and the real cvat-sdk."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, rectangle
from support.cvat_stand_in_functions import wait_until

from preannotate.core.progress import read_progress

pytestmark = pytest.mark.slow

FAST = "epochs=30,batch_size=8,image_size=128x96,augment=weak,initial_learning_rate=5e-3,early_stopping=none"
LABELS = {"bright": 5, "dark": 6}


@pytest.fixture
def task(newest, rectangles):
    """24 frames: of job 40 the last two, and all of job 41, have no annotations."""
    images, shapes = [], []
    for frame, path in enumerate(sorted((rectangles / "JPEGImages").iterdir())):
        images.append((path.name, path.read_bytes()))
        tree = ET.parse(rectangles / "Annotations" / f"{path.stem}.xml")
        for thing in tree.iter("object"):
            box = [float(thing.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
            shapes.append(rectangle(frame, LABELS[thing.findtext("name")], box))
    jobs = [FakeJob(40, 0, 19, shapes=[one for one in shapes if one["frame"] < 18]), FakeJob(41, 20, 23)]
    return newest.add(FakeTask(12, images, [FakeLabel(5, "bright"), FakeLabel(6, "dark")], jobs, name="Yard (north)"))


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "work" / "functions").mkdir(parents=True)
    return tmp_path / "work"


@pytest.fixture
def dashboard(workspace, newest):
    """`preannotate serve` on the workspace, where the stand-in looks for nuclio."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "preannotate", "serve", str(workspace / "functions"), "--port", str(port)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    server.stdout.readline()
    newest.functions.dashboard = f"http://127.0.0.1:{port}"
    yield newest.functions.dashboard
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=30)


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "preannotate", "run", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, expected=0):
    said = process.communicate(timeout=200)
    assert process.returncode == expected, said
    return said


def automatic(job):
    return sorted(shape["frame"] for shape in job.shapes if shape["source"] == "auto")


def test_from_a_task_to_boxes_in_it(newest, task, workspace, dashboard):
    asked = ("--cvat", newest.url, "--task", 12, "--workspace", workspace, "--base-model", "none")
    first = start(*asked, "--arguments", FAST, "--annotate-rest")
    model = workspace / "models" / "yard-north"
    run = model / "versions" / "1" / "run"
    wait_until(lambda: (run / "metrics.csv").is_file() and len((run / "metrics.csv").read_text().splitlines()) > 3)
    training = read_progress(run / "progress.json").stage("train")
    assert (training.total, training.unit) == (30, "epoch")
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    reached = max(int(path.name.removeprefix("epoch-")) for path in (run / "checkpoints").glob("epoch-*"))

    said, _ = finish(start("--workspace", workspace, "--name", "yard-north"))

    assert re.search(
        r"train: version 1: 30 epochs in \d+ (s|min), mAP50 [01]\.\d{3}, mAP [01]\.\d{3} on \d validation images\n",
        said,
    )
    log = (run / "log.txt").read_text()
    assert reached >= 1
    assert [log.count(f"epoch {epoch} (") for epoch in range(1, reached + 1)] == [1] * reached  # it went on from there
    assert [stage.state for stage in read_progress(workspace / "runs/2/progress.json").stages] == ["done"] * 7
    record = json.loads((model / "versions" / "1" / "version.json").read_text())
    assert record["map50"] > 0.5
    assert record["labels"] == ["bright", "dark"]
    assert set(automatic(task.jobs[0])) == {18, 19}
    assert set(automatic(task.jobs[1])) == {20, 21, 22, 23}
    assert [request.job for request in newest.functions.requests] == [41]

    boxes = [automatic(job) for job in task.jobs]
    said, _ = finish(start("--workspace", workspace, "--name", "yard-north"))

    assert "train: skipped, nothing changed since version 1\n" in said
    assert "publish: skipped, version 1 is published\n" in said
    assert "annotate: no frame without annotations\n" in said
    assert [automatic(job) for job in task.jobs] == boxes
