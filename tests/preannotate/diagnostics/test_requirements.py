import importlib.metadata
import re
import tomllib
from email.message import Message
from pathlib import Path

import pytest

from preannotate.diagnostics import requirements
from preannotate.diagnostics.requirements import Requirement, allows, clauses, declared, installed, release

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(
    ("version", "allowed"),
    [
        ("2.1", True),
        ("2.1.0", True),
        ("2.10", True),
        ("2.0.9", False),
        ("3", False),
        ("3.0.1", False),
        ("2.9rc1", True),
    ],
)
def test_versions_are_compared_as_numbers(version, allowed):
    assert allows(">=2.1,<3", version) is allowed


def test_release():
    assert release("v1.15.9-amd64") == (1, 15, 9)
    assert release("latest") == ()


def test_everything_that_the_project_asks_for_is_understood():
    found = declared()
    lines = [*PROJECT["dependencies"], *(line for some in PROJECT["optional-dependencies"].values() for line in some)]

    assert len(found.packages) == len(lines)
    assert len(list(clauses(found.python))) == found.python.count(",") + 1
    for requirement, line in zip(found.packages, lines, strict=True):
        assert re.match(r"[\w-]+", line)[0] == requirement.package
        asked = requirement.versions.split(",") if requirement.versions else []
        assert len(list(clauses(requirement.versions))) == len(asked), line


def test_without_a_checkout_the_installed_metadata_is_read(monkeypatch, tmp_path):
    metadata = Message()
    metadata["Requires-Python"] = "<3.14,>=3.11"
    metadata["Requires-Dist"] = "numpy<3,>=2.1"
    metadata["Requires-Dist"] = 'tensorflow[and-cuda]<2.22,>=2.21; extra == "train-gpu"'
    monkeypatch.setattr(requirements, "__file__", str(tmp_path / "preannotate" / "diagnostics" / "requirements.py"))
    monkeypatch.setattr(importlib.metadata, "metadata", {"preannotate": metadata}.__getitem__)

    found = declared()
    assert found.python == "<3.14,>=3.11"
    assert found.packages == (
        Requirement("numpy", "<3,>=2.1", ""),
        Requirement("tensorflow", "<2.22,>=2.21", "train-gpu"),
    )


def test_what_is_installed():
    assert installed("pip-of-another-planet") is None
    assert installed("numpy") == importlib.metadata.version("numpy")
