import importlib.metadata
import re
import sys
import tomllib
from email.message import Message
from pathlib import Path

import pytest

from preannotate.core.child_process import Result
from preannotate.diagnostics import packages
from preannotate.diagnostics.finding import Finding, error, note, ok, warning
from preannotate.diagnostics.packages import Declared, Requirement, allows, clauses, declared, installed, release

WANTED = Declared(
    ">=3.11,<3.14",
    (
        Requirement("numpy", ">=2.1,<3", ""),
        Requirement("tensorflow-cpu", ">=2.21,<2.22", "train"),
        Requirement("keras", ">=3.15,<3.16", "train"),
        Requirement("tensorflow", ">=2.21,<2.22", "train-gpu"),
        Requirement("nuclio-sdk", ">=0.5.13,<0.7", "build"),
        Requirement("pytest", ">=8", "dev"),
    ),
)


@pytest.fixture
def versions(monkeypatch):
    """Versions of what is installed, to be changed."""
    found = {"numpy": "2.4.0", "tensorflow-cpu": "2.21.0", "keras": "3.15.1", "nuclio-sdk": "0.6.3"}
    monkeypatch.setattr(packages, "declared", lambda: WANTED)
    monkeypatch.setattr(packages, "installed", found.get)
    return found


def test_all_is_well(versions):
    text = "keras 3.15.1, nuclio-sdk 0.6.3, numpy 2.4.0, tensorflow-cpu 2.21.0"

    assert list(packages.packages()) == [ok("packages", text)]
    assert list(packages.two_tensorflows()) == []


def test_a_package_of_an_extra_is_missing(versions):
    del versions["nuclio-sdk"]
    sentence = "not installed, and needed for `preannotate build` and `check`."

    assert note("nuclio-sdk", sentence, "pip install 'preannotate[build]'") in list(packages.packages())


def test_a_package_that_everything_needs_is_missing(versions):
    del versions["numpy"]

    found = list(packages.packages())
    assert error("numpy", "not installed, and needed for everything.", "pip install 'preannotate'") in found


def test_another_version_than_was_tried(versions):
    versions["keras"] = "3.16.0"
    sentence = "3.16.0; expected >=3.15,<3.16, with which Preannotate was tested."

    assert warning("keras", sentence, "pip install 'keras>=3.15,<3.16'") in list(packages.packages())


def test_either_tensorflow_will_do(versions):
    versions["tensorflow"] = versions.pop("tensorflow-cpu")

    assert [finding.severity for finding in packages.packages()] == ["ok"]


def test_two_tensorflows_overwrite_each_other(versions):
    versions["tensorflow"] = "2.21.0"
    (found,) = packages.two_tensorflows()

    assert found == error(
        "TensorFlow",
        "tensorflow-cpu 2.21.0 and tensorflow 2.21.0 are both installed; they are one package, and overwrite each "
        "other's files.",
        "pip uninstall --yes tensorflow tensorflow-cpu && pip install 'preannotate[train]'   (or 'train-gpu' instead "
        "of 'train', for a GPU)",
    )


def test_another_python(versions, monkeypatch):
    monkeypatch.setattr(packages.platform, "python_version", lambda: "3.10.12")
    (found,) = packages.python()

    assert (found.severity, found.finding) == ("error", "3.10.12; expected >=3.11,<3.14.")


def test_nobody_knows_what_is_wanted(monkeypatch):
    monkeypatch.setattr(packages, "declared", lambda: None)
    (found,) = packages.packages()

    assert found.severity == "note"
    assert [finding.severity for finding in packages.python()] == ["ok"]


def test_only_engines_that_are_installed_are_imported(versions, monkeypatch):
    monkeypatch.setattr(packages, "engine_import", lambda module: [ok("import", module)])

    assert list(packages.engines()) == [ok("import", "tensorflow")]


def module(folder, monkeypatch, code):
    (folder / "engine_of_test.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    (found,) = packages.engine_import("engine_of_test")
    return found


def test_an_engine_that_can_be_imported(tmp_path, monkeypatch):
    assert module(tmp_path, monkeypatch, "__version__ = '1.2'") == ok("import engine_of_test", "1.2")


def test_an_engine_that_ends_the_process(tmp_path, monkeypatch):
    found = module(tmp_path, monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGILL)")

    assert found == error(
        "import engine_of_test",
        "ended by SIGILL: the processor lacks an instruction that the package needs.",
        "In a virtual machine, hand the host's processor through (CPU type `host`); else use another machine.",
    )


def test_an_engine_that_is_broken(tmp_path, monkeypatch):
    found = module(tmp_path, monkeypatch, "raise ImportError('libfoo.so.1: cannot open shared object file')")

    assert found == error(
        "import engine_of_test",
        "ImportError: libfoo.so.1: cannot open shared object file.",
        "pip install --force-reinstall 'engine_of_test'",
    )


def test_an_engine_that_takes_too_long(monkeypatch):
    monkeypatch.setattr(packages, "run_tool", lambda *_, **__: Result(None, not_run="no answer within 20 s"))

    assert list(packages.engine_import("openvino")) == [
        Finding(
            "warning",
            "import openvino",
            "no answer within 20 s.",
            "Try again; a first import from a slow disk may take long.",
        )
    ]


def test_this_python_is_the_one_that_imports(monkeypatch):
    commands = []
    monkeypatch.setattr(packages, "run_tool", lambda *command, **_: commands.append(command) or Result(0, "1.0\n"))
    list(packages.engine_import("openvino"))

    assert commands[0][:2] == (sys.executable, "-P")


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
    monkeypatch.setattr(packages, "__file__", str(tmp_path / "preannotate" / "diagnostics" / "requirements.py"))
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
