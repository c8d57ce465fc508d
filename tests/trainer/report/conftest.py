import pytest

from tests.trainer.report.finished_run import write_run


@pytest.fixture
def run(tmp_path):
    """The folder of a finished run."""
    return write_run(tmp_path / "pets")
