"""Export directories and function directories to build, break and check."""

import shutil
from pathlib import Path

import pytest
from support.exports import make_export, make_function

from builder.build import assemble
from runtime.manifest import Manifest


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export directory whose SavedModel is none: enough for everything that does not run it."""
    return make_export(tmp_path / "runs" / "My_Cats" / "export")


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
    make_function(export, directory)
    return directory
