"""What several test packages share: drawn rectangles to train on, and a network trained on them once."""

import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import artefacts

WIDTH, HEIGHT = 160, 128
LABELS = ("bright", "dark")
SQUARES = Path(__file__).parent / "builder" / "squares.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite tests/golden from what is built now; review the difference before committing it",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests first: of several test processes none is left alone with one at the end."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half characters that a test logs on purpose cannot travel from a test process to the one that reports."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode("utf-8")) for title, text in report.sections
    ]
    return report


@pytest.fixture(scope="session", autouse=True)
def no_base_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the COCO weights of this machine nor downloads; child processes inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        patch.setenv("PREANNOTATE_OFFLINE", "1")
        yield


@pytest.fixture(autouse=True)
def level_of_logging() -> Iterator[None]:
    """Commands that run inside a test set the level for the whole process, and later tests count messages."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


def draw_rectangles(folder: Path, count: int, *, seed: int = 0) -> Path:
    """Write `count` images with one rectangle of each class."""
    rng = np.random.default_rng(seed)
    (folder / "JPEGImages").mkdir(parents=True)
    (folder / "Annotations").mkdir()
    for number in range(count):
        pixels = rng.integers(110, 146, (HEIGHT, WIDTH, 3), np.uint8)
        objects = ""
        for label, value, left in (("bright", 235, 4), ("dark", 20, 84)):
            side_x, side_y = rng.integers(30, 60, 2)
            x1, y1 = left + rng.integers(0, 72 - side_x), rng.integers(4, HEIGHT - 4 - side_y)
            x2, y2 = x1 + side_x, y1 + side_y
            pixels[y1:y2, x1:x2] = value
            corners = f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
            objects += f"<object><name>{label}</name><bndbox>{corners}</bndbox></object>"
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{number:02d}.png")
        text = (
            f"<annotation><filename>{number:02d}.png</filename>"
            f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>{objects}</annotation>"
        )
        (folder / "Annotations" / f"{number:02d}.xml").write_text(text)
    return folder


@pytest.fixture(scope="session")
def rectangles(tmp_path_factory):
    """Twenty-four images with two rectangles each."""
    return draw_rectangles(tmp_path_factory.mktemp("rectangles") / "voc", 24)


@pytest.fixture(scope="session")
def trained(rectangles):
    """(run directory, summary) of a network of 0.5 million weights that knows its rectangles; do not change it."""
    from trainer import train
    from trainer.request import TrainingRequest

    def make(folder: Path) -> tuple[Path, dict]:
        overrides = {
            "epochs": 30,
            "batch_size": 8,
            "image_size": "128x96",
            "augment": "weak",
            "initial_learning_rate": 5e-3,
        }
        output = folder / "rectangles"
        request = TrainingRequest(exports=(rectangles,), output=output, base_model="none", overrides=overrides)
        return output, train.start(request)

    return artefacts.kept("trained", make, Path(__file__))


@pytest.fixture(scope="session")
def squares_export() -> Path:
    """A real export directory, of a network that finds coloured squares; do not change it."""
    pytest.importorskip("openvino")
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")

    def make(folder: Path) -> Path:
        export = folder / "squares" / "export"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [sys.executable, str(SQUARES), str(export)], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return export

    return artefacts.kept("squares_export", make, SQUARES)


@pytest.fixture(scope="session")
def squares_built(squares_export):
    """The function that `build` makes of it (`builder.build.BuildResult`); copy its directory before you change it."""
    pytest.importorskip("nuclio_sdk")
    from builder.build import build

    return artefacts.kept("squares_built", lambda folder: build(squares_export, folder / "functions"), SQUARES)
