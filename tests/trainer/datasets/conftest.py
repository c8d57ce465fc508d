import importlib.util
from pathlib import Path

import pytest

_SCENE = importlib.util.spec_from_file_location("scene", Path(__file__).with_name("scene.py"))


@pytest.fixture(scope="session")
def scene():
    """The module `scene.py` beside this file: test folders are no packages."""
    module = importlib.util.module_from_spec(_SCENE)
    _SCENE.loader.exec_module(module)
    return module
