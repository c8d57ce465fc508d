"""What several folders share: a function directory with a fake engine, which sees the bounding box of all that is red;
nothing of this machine's proxies and logins; a certificate.
"""

import getpass
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from PIL import Image

from runtime.manifest import Manifest, MaskHead, MaskKind, Postprocess

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
            shapes = {"boxes": (1, 0, 4), "scores": (1, 0, 2), "masks": (1, 0, 2, 2)}
            return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        if box == [0, 0, 64, 64]:
            raise MemoryError("all red")
        masks = np.array([[[[1, 1], [1, 0]]]], np.float32)
        return {"boxes": np.array([[box]], np.float32), "scores": np.array([[[0.9, 0.4]]], np.float32), "masks": masks}

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


@pytest.fixture
def mask_function(function):
    """The same function, but it gives masks: all of a box but its lower right quarter."""
    path = function / "nuclio" / "model.json"
    manifest = replace(Manifest.read(path), mask_head=MaskHead(MaskKind.BOX_MASKS))
    manifest.write(path)
    return function


@pytest.fixture
def photos(tmp_path):
    """Three pictures: a red box, nothing, a red box in a subfolder."""
    folder = tmp_path / "photos"
    draw(folder / "a.png", (128, 128), (20, 40, 60, 100))
    draw(folder / "b.png", (128, 64), None)
    draw(folder / "sub" / "c.bmp", (64, 64), (8, 16, 32, 64))
    return folder


def draw(path, size, box):
    """A black picture with one red box."""
    image = Image.new("RGB", size)
    if box is not None:
        image.paste((255, 0, 0), box)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def no_proxies(monkeypatch):
    """Whatever this machine's environment holds."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def no_logins(no_proxies, monkeypatch, tmp_path):
    """No proxy, no login and nobody to ask for one; waits between attempts take no time."""
    for name in ("CVAT_ACCESS_TOKEN", "PASS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": (_ for _ in ()).throw(EOFError()))
    from preannotate.cvat import requests

    monkeypatch.setattr(requests, "FIRST_WAIT_SECONDS", 0.0)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Key and certificate of 127.0.0.1, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*command, "-keyout", key, "-out", pem, *subject], check=True, capture_output=True)
    return key, pem
