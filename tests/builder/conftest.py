"""Export directories and function directories to build, break and check."""

import shutil
from pathlib import Path

import pytest

from builder.build import assemble
from runtime.manifest import Manifest, Postprocess


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export directory whose SavedModel is none: enough for everything that does not run it."""
    folder = tmp_path / "runs" / "My_Cats" / "export"
    (folder / "saved_model").mkdir(parents=True)
    (folder / "saved_model" / "saved_model.pb").write_bytes(b"a network")
    (folder / "validation").mkdir()
    manifest = Manifest(
        family="ssd-mobilenet-v2",
        labels=("cat", 'Größe "XL"'),
        input_size=(320, 320),
        postprocess=Postprocess(threshold=0.5, thresholds=(0.4, 0.6)),
        provenance={"dataset_fingerprint": "0123456789abcdef", "seed": 1},
    )
    manifest.write(folder / "model.json")
    return folder


@pytest.fixture
def ir_export(export: Path) -> Path:
    """As `export`, of a network that never was a SavedModel."""
    shutil.rmtree(export / "saved_model")
    (export / "ir").mkdir()
    for name in ("model.xml", "model.bin"):
        (export / "ir" / name).write_bytes(b"a network")
    return export


@pytest.fixture
def cpu_function_dir(ir_export: Path, tmp_path: Path) -> Path:
    """functions/cats/nuclio as `build` makes it of `ir_export`."""
    directory = tmp_path / "functions" / "cats" / "nuclio"
    directory.parent.mkdir(parents=True)
    assemble(ir_export, directory, "cats", Manifest.read(ir_export))
    for name in ("model.xml", "model.bin"):
        (directory / name).write_bytes(b"weights")
    return directory


@pytest.fixture
def function_dir(export: Path, tmp_path: Path) -> Path:
    """functions/cats/nuclio as `build` makes it, with weights that are none."""
    directory = tmp_path / "functions" / "cats" / "nuclio"
    directory.parent.mkdir(parents=True)
    assemble(export, directory, "cats", Manifest.read(export))
    for name in ("model.xml", "model.bin"):
        (directory / name).write_bytes(b"weights")
    (directory / "saved_model").mkdir()
    (directory / "saved_model" / "saved_model.pb").write_bytes(b"a network")
    return directory
