"""A function that `build` made, running as nuclio would run it."""

import importlib.util
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package")
def worker(squares_built, tmp_path_factory) -> Iterator:
    """One process for all tests: what one request breaks, the next ones see."""
    if not importlib.util.find_spec("psutil"):
        pytest.skip("psutil is not installed")
    from tests.functions.worker import Worker

    worker = Worker(squares_built.directory, tmp_path_factory.mktemp("worker") / "log.txt", MODEL_THREADS="1")
    yield worker
    worker.close()
    assert "Traceback" not in worker.log
