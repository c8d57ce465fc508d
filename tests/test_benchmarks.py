"""Benchmarks run by hand; this finds names that they import and that have been renamed, and errors of their tables."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluation.ground_truth import AnnotatedImage, GroundTruth
from runtime.detector import Detection
from runtime.manifest import Postprocess
from runtime.masks import InstanceMask

FOLDER = Path(__file__).parents[1] / "benchmarks"
IMPORT_ALL = """
import runpy, sys
from pathlib import Path
folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
for path in sorted(folder.glob("*.py")):
    runpy.run_path(str(path), run_name="imported")
    print(path.name)
"""


def test_every_benchmark_can_be_imported():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(FOLDER)], cwd=FOLDER.parent, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.split()) == len(list(FOLDER.glob("*.py")))


@pytest.fixture
def accuracy(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("accuracy")


@pytest.fixture
def trained(accuracy, monkeypatch):
    """Trainings that are made up; the list of those that were started, as (images, seed)."""
    started = []

    def train_and_evaluate(training, seed, run):
        started.append((len(training.names), seed))
        return {
            "map50": 0.8 + seed / 10, "mean_ap": 0.5 + seed / 100, "images_shown": 640 * (seed + 1), "seconds": 90.0,
            "peak_memory_gb": 1.26, "load": 1.0, "model": "ssd-mobilenet-v2", "base_model": "none",
            "input_size": [320, 256], "batch_size": 8, "test_images": 2, "test_boxes": 5,
        }  # fmt: skip

    monkeypatch.setattr(accuracy, "train_and_evaluate", train_and_evaluate)
    return started


def corpus(folder):
    """Two sets, one with lists of names and one with a folder for each part, and something that is no set."""
    for name in ("boards", "cells/train", "cells/test", "notes"):
        (folder / name).mkdir(parents=True)
    (folder / "boards" / "eval_train.txt").write_text("".join(f"{number}.jpg\n" for number in range(40)))
    (folder / "boards" / "eval_test.txt").write_text("a.jpg\nb.jpg\n")
    for part, count in (("train", 3), ("test", 2)):
        for number in range(count):
            (folder / "cells" / part / f"{part}{number}.png").touch()
    return folder


def run(accuracy, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["accuracy.py", *map(str, arguments)])
    accuracy.main()


def test_the_table_is_made_in_pieces(accuracy, trained, monkeypatch, tmp_path, capsys):
    command = ("--corpus", corpus(tmp_path / "corpus"), "--sets", "boards", "cells", "--results", tmp_path / "r.json")

    run(accuracy, monkeypatch, *command, "--count", "30", "--seeds", "0", "--code", "a")
    assert trained == [(30, 0), (3, 0)]
    run(accuracy, monkeypatch, *command, "--seeds", "0", "1", "--code", "a")
    assert trained[2:] == [(30, 1), (3, 1), (40, 0), (40, 1)]  # all of the cells are no more than 30
    capsys.readouterr()
    run(accuracy, monkeypatch, *command, "--markdown", "--code", "a")

    assert capsys.readouterr().out.splitlines() == [
        "`--model auto`, 20 minutes, code a:",
        "",
        "| data (test images, boxes) | training images | model, base weights, input | mAP50 | mAP | images shown "
        "| minutes | peak memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| boards (2, 5) | 30 | `ssd-mobilenet-v2`, none, 320 x 256 | **0.850** (0.800, 0.900) "
        "| **0.505** (0.500, 0.510) | 640 to 1280 | 1.5 | 1.3 GB |",
        "| cells (2, 5) | 3 | `ssd-mobilenet-v2`, none, 320 x 256 | **0.850** (0.800, 0.900) "
        "| **0.505** (0.500, 0.510) | 640 to 1280 | 1.5 | 1.3 GB |",
        "| boards (2, 5) | 40 | `ssd-mobilenet-v2`, none, 320 x 256 | **0.850** (0.800, 0.900) "
        "| **0.505** (0.500, 0.510) | 640 to 1280 | 1.5 | 1.3 GB |",
        "| **mean over 2 sets** | 30 images |  | **0.850** (0.800, 0.900) | **0.505** (0.500, 0.510) |  |  |  |",
    ]


def test_what_other_code_measured_is_measured_again(accuracy, trained, monkeypatch, tmp_path):
    command = ("--corpus", corpus(tmp_path / "corpus"), "--sets", "cells", "--count", "all", "--seeds", "0")
    for code in ("a", "b", "b"):
        run(accuracy, monkeypatch, *command, "--code", code, "--results", tmp_path / "r.json")

    assert trained == [(3, 0), (3, 0)]
    lines = json.loads((tmp_path / "r.json").read_text())
    assert [(line["code"], line["asked"], line["map50_mean"], line["map50_spread"]) for line in lines] == [
        ("a", "auto", 0.8, 0.0),
        ("b", "auto", 0.8, 0.0),
    ]


def test_each_way_of_measuring_has_a_table_of_its_own(accuracy, trained, monkeypatch, tmp_path, capsys):
    command = ("--corpus", corpus(tmp_path / "corpus"), "--sets", "cells", "--seeds", "0", "--code", "a")
    command += ("--count", "all", "--results", tmp_path / "r.json")
    run(accuracy, monkeypatch, *command)
    capsys.readouterr()
    run(accuracy, monkeypatch, *command, "--arguments", "freeze=0", "--model", "ssd-mobilenet-v2", "--minutes", "2.5")

    titles = [line for line in capsys.readouterr().out.splitlines() if line.endswith(":")]
    assert titles == [
        "`--model auto`, 20 minutes, code a:",
        "`--model ssd-mobilenet-v2`, 2.5 minutes, `freeze=0`, code a:",
    ]


def test_a_set_that_is_not_there(accuracy, trained, monkeypatch, tmp_path):
    with pytest.raises(SystemExit) as caught:
        run(accuracy, monkeypatch, "--corpus", corpus(tmp_path / "corpus"), "--sets", "cats")

    assert caught.value.code == "cats: no set of the corpus; expected one of: boards, cells, scenes."


def test_fewer_images_are_always_the_same_ones(accuracy):
    names = [f"{number}.jpg" for number in range(50)]
    few = sys.modules["corpus"].first_by_hash(names, 10)

    assert few == sys.modules["corpus"].first_by_hash(list(reversed(names)), 10)
    assert set(few) < set(sys.modules["corpus"].first_by_hash(names, 20))


def test_tiles_are_scored_by_their_masks_too_where_outlines_were_annotated(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    tiles = importlib.import_module("tiles")
    box, block = (0.0, 0.0, 10.0, 10.0), InstanceMask.from_bitmap(np.ones((10, 10)))
    half = InstanceMask.from_bitmap(np.ones((4, 10)))  # the same box, and less than half of the object

    def figures(*masks):
        truth = GroundTruth(
            Path(), ("a",), (AnnotatedImage("", "", (20, 20), np.float32([box]), np.array([0]), masks),)
        )
        found = tiles.Detected(truth, [[Detection("a", 0, 0.9, box, half)]], 5.0)
        return found.figures(("a",), Postprocess(0.5, (0.5,)))

    assert (figures(block)["map50"], figures(block)["mask_map50"]) == (1.0, 0.0)
    assert "mask_map50" not in figures()
