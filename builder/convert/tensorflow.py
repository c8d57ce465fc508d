"""TensorFlow reads the SavedModel as it is."""

import shutil
from pathlib import Path


def convert(export: Path, directory: Path, input_size: tuple[int, int]) -> None:
    """Copy `export`/saved_model to `directory`/saved_model."""
    shutil.copytree(export / "saved_model", directory / "saved_model", copy_function=shutil.copyfile)
