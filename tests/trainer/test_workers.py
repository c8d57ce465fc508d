"""Two processes on loopback train one run as one process would, one of them killed half-way and both started again."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.training import newest_checkpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SETTINGS = "epochs=2,batch_size=8,image_size=96,frozen_part=0,freeze=14,early_stopping=none"
# Far more than it takes: a busy machine is no failure.
SECONDS = 1800


def train(*arguments, cluster=None, index=0):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if cluster:
        task = {"type": "worker", "index": index}
        environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": cluster}, "task": task})
    command = [sys.executable, "-m", "preannotate", "train", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def free_addresses():
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [f"127.0.0.1:{item.getsockname()[1]}" for item in sockets]
    for item in sockets:
        item.close()
    return addresses


def finish(processes):
    """(exit code, stdout, stderr) of each."""
    ends = []
    try:
        for process in processes:
            out, err = process.communicate(timeout=SECONDS)
            ends.append((process.returncode, out, err))
    finally:
        for process in processes:
            process.kill()
    return ends


def pretended_weights(folder):
    """Random weights as a file: a backbone that counts as pretrained keeps its batch statistics, which saves time.

    The statistics fit the weights, as real ones do: without that nothing but rounding would come out of the backbone.
    """
    import keras

    path = folder / "backbone.weights.h5"
    keras.utils.set_random_seed(0)
    backbone = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, include_top=False, weights=None)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    backbone(np.random.default_rng(0).uniform(-1, 1, (8, 96, 96, 3)).astype(np.float32), training=True)
    backbone.save_weights(path)
    return path


@pytest.fixture(scope="module")
def runs(rectangles, tmp_path_factory):
    """The folder of both runs, what the survivor said, and what both said in the end."""
    folder = tmp_path_factory.mktemp("workers")
    start = (rectangles, "--base-model", pretended_weights(folder), "--arguments", SETTINGS)
    cluster = free_addresses()
    pair = [train(*start, "--output", folder / "two", cluster=cluster, index=index) for index in (0, 1)]
    first = folder / "two" / "checkpoints" / "epoch-00001"
    deadline = time.monotonic() + SECONDS
    while not first.exists() and time.monotonic() < deadline and all(process.poll() is None for process in pair):
        time.sleep(0.2)
    assert first.exists(), [process.communicate(timeout=SECONDS)[1] for process in pair if process.poll() is not None]
    pair[1].send_signal(signal.SIGKILL)
    survivor = finish(pair)[0]
    resume = ("--resume", folder / "two", "--json")
    cluster = free_addresses()
    both = finish([train(*resume, cluster=cluster, index=index) for index in (0, 1)])
    (alone,) = finish([train(*start, "--output", folder / "one", "--json")])
    return folder, cluster, survivor, both, alone


def test_a_lost_worker_ends_the_run_with_one_sentence(runs):
    folder, _, (code, _, err), _, _ = runs

    assert code == 3
    assert (
        err.strip()
        .splitlines()[-1]
        .endswith(
            f": does not answer any more; expected all 2 workers until the end. "
            f"See its log, then continue on all with: preannotate train --resume {folder}/two"
        )
    )
    assert "Traceback" not in err


def test_both_end_well_with_the_same_summary(runs):
    _, _, _, both, alone = runs

    assert [code for code, _, _ in (*both, alone)] == [0, 0, 0], both
    chief, other = (json.loads(out) for _, out, _ in both)
    assert chief == other


def test_two_processes_learn_what_one_does(runs):
    folder, *_ = runs
    one, two = (list(csv.DictReader((folder / name / "metrics.csv").open())) for name in ("one", "two"))

    assert [row["epoch"] for row in two] == ["1", "2"]
    for expected, row in zip(one, two, strict=True):
        for name in ("class_loss", "box_loss"):
            assert float(row[name]) == pytest.approx(float(expected[name]), rel=1e-5), (name, row["epoch"])
    weights = {name: newest_checkpoint(folder / name) for name in ("one", "two")}
    assert weights["one"].keys() == weights["two"].keys()
    for name, expected in weights["one"].items():
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(weights["two"][name], expected, atol=1e-5, err_msg=name)


def test_only_the_chief_writes(runs):
    folder, *_ = runs
    lines = (folder / "two" / "log.txt").read_text().splitlines()

    assert sum("epoch 2 (" in line for line in lines) == 1
    assert sorted(path.name for path in (folder / "two").iterdir()) == sorted(
        path.name for path in (folder / "one").iterdir()
    )
