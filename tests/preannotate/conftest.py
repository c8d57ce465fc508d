"""A function directory with a fake engine: it sees the bounding box of all that is red."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from runtime.manifest import Manifest, Postprocess

ROOT = Path(__file__).parents[2]
# Scores 0.9 for "cat" and 0.4 for "dog" on the same box.
FAKE_ENGINE = """
import numpy as np

class Fake:
    name, device, warning = "fake", "none", ""

    def run(self, pixels):
        print("a library that prints on standard output")
        rows, columns = np.nonzero(pixels[0, :, :, 0] > 200)
        if not len(rows):
            return {"boxes": np.zeros((1, 0, 4), np.float32), "scores": np.zeros((1, 0, 2), np.float32)}
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        if box == [0, 0, 64, 64]:
            raise MemoryError("all red")
        return {"boxes": np.array([[box]], np.float32), "scores": np.array([[[0.9, 0.4]]], np.float32)}

def load(directory):
    return Fake()
"""


@pytest.fixture
def function(tmp_path, monkeypatch):
    """`functions/pets`: built with the labels cat and dog, and cat was renamed in function.yaml."""
    directory = tmp_path / "functions" / "pets" / "nuclio"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "functions" / "runtime", directory / "runtime", ignore=ignore)
    shutil.copy(ROOT / "builder" / "templates" / "detector" / "model_handler.py", directory)
    (directory / "runtime" / "engines" / "fake.py").write_text(FAKE_ENGINE)
    cut = Postprocess(threshold=0.5, thresholds=(0.5, 0.5))
    Manifest("fake", ("cat", "dog"), (64, 64), cut).write(directory / "model.json")
    spec = json.dumps([{"id": 0, "name": "Kätzchen & <co>"}, {"id": 1, "name": "dog"}])
    content = {"metadata": {"annotations": {"spec": spec}}}
    (directory / "function.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("MODEL_ENGINE", "fake")
    return directory.parent
