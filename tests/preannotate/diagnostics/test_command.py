"""The whole of `preannotate doctor`, from its arguments to its exit code."""

import json
import os
import re
import subprocess
import sys

import pytest

from preannotate.cli import main
from preannotate.cvat.login import Login
from preannotate.diagnostics import command
from preannotate.diagnostics.command import Options, UsageError, diagnose, print_diagnosis
from preannotate.diagnostics.finding import Finding, error, ok


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Machine and Docker have tests of their own."""
    monkeypatch.setattr(command, "MACHINE", (lambda: iter([ok("Python", "3.11")]),))
    monkeypatch.setattr(command, "survey", lambda: ok("docker", "27"))


@pytest.fixture
def fine(monkeypatch):
    """Directories are fine, and nothing runs."""
    monkeypatch.setattr(command, "DIRECTORY", (lambda directory: iter([ok("files", directory.parent.name)]),))
    monkeypatch.setattr(command.trial, "request", lambda function: iter([ok("run", function.name)]))


def test_without_arguments(capsys):
    assert print_diagnosis(Options()) == 0
    assert capsys.readouterr().out == (
        "This machine\n  ok       Python: 3.11\n\n"
        "Docker and nuclio\n  ok       docker: 27\n\n"
        "Nothing wrong was found.\n"
    )


def test_an_error_is_exit_code_1(monkeypatch, capsys):
    monkeypatch.setattr(command, "survey", lambda: error("docker", "old.", "Update it."))

    assert print_diagnosis(Options(), as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["counts"]["error"] == 1


def test_a_folder_of_functions(directory, fine):
    """Each of them has a part of its own in the report."""
    found = diagnose(Options(functions=(directory.parents[1],)))

    assert list(found) == ["this machine", f"function {directory.parent}", "docker and nuclio"]
    assert ok("files", "cats") in found[f"function {directory.parent}"]


@pytest.mark.parametrize(("gpu", "tried"), [(False, ["cats"]), (True, ["cats", "cats-gpu"])])
def test_the_gpu_variant_runs_only_if_it_is_asked_for(directory, fine, monkeypatch, gpu, tried):
    monkeypatch.setattr(command.machine, "gpu", lambda: iter([ok("GPU", "one")]))
    found = diagnose(Options(functions=(directory.parent,), gpu=gpu))

    assert [one.finding for one in found[f"function {directory.parent}"] if one.where == "run"] == tried
    assert (ok("GPU", "one") in found["this machine"]) is gpu


def test_one_directory_named_twice_is_one(directory, fine):
    found = diagnose(Options(functions=(directory.parent, directory)))

    assert "functions together" not in found


def test_a_yaml_file_that_cannot_be_read(directory, monkeypatch):
    (directory / "function.yaml").write_text("metadata: [")
    found = diagnose(Options(functions=(directory,)))[f"function {directory}"]

    assert any("function.yaml" in one.where + one.finding and one.severity == "error" for one in found)


def test_a_check_that_fails_itself_does_not_hide_the_others(monkeypatch):
    def broken():
        raise ZeroDivisionError("by zero")
        yield

    broken.__module__ = "preannotate.diagnostics.machine"
    monkeypatch.setattr(command, "MACHINE", (broken, lambda: iter([ok("Python", "3.11")])))

    assert diagnose(Options())["this machine"] == [
        Finding(
            "warning",
            "machine.broken",
            "this check itself failed: ZeroDivisionError: by zero",
            "Report it as a bug of Preannotate, with this line.",
        ),
        ok("Python", "3.11"),
    ]


@pytest.mark.parametrize("options", [Options(task=1), Options(task=1, cvat=Login("http://localhost"))])
def test_a_task_needs_cvat_and_a_function(options):
    sentence = (
        "--task: without CVAT or a function directory; expected both. Add --cvat URL (or --profile NAME) and "
        "functions/NAME."
    )

    with pytest.raises(UsageError, match=f"^{re.escape(sentence)}$"):
        diagnose(options)


def test_bad_usage_is_exit_code_2(tmp_path, capsys):
    assert main.main(["doctor", str(tmp_path)]) == 2
    assert main.main(["doctor", "--nuclio", "localhost:8070"]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}: no function directory; expected functions/NAME, as `preannotate build` makes them.\n"
        "error: --nuclio: 'localhost:8070'; expected a URL, as in http://localhost:8080. Write it with http://.\n"
    )


def test_what_is_asked_over_http(directory, fine, monkeypatch):
    asked = []

    def remember(kind):
        return lambda url, functions, **options: (
            iter([]) if asked.append((kind, url, options)) else iter([ok(kind, str(url))])
        )

    monkeypatch.setattr(command.dashboard, "check", remember("nuclio"))
    monkeypatch.setattr(command.cvat, "check", remember("cvat"))
    options = Options((directory,), cvat=Login("http://cvat:8080"), nuclio="http://nuclio:8070", task=3, frame=2)
    found = diagnose(options)

    assert asked == [
        ("nuclio", "http://nuclio:8070", {}),
        ("cvat", Login("http://cvat:8080"), {"task": 3, "frame": 2}),
    ]
    assert list(found)[-2:] == ["functions at http://nuclio:8070", "CVAT at http://cvat:8080"]


# Refuses to import what is named behind it, as if it were not installed.
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
from preannotate.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_it_works_without_the_packages_it_looks_for(directory, programs):
    blocked = {
        "cvat_sdk",
        "openvino",
        "tensorflow",
        "keras",
        "nuclio_sdk",
        "pycocotools",
        "starlette",
        "uvicorn",
        "tqdm",
    }
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            BLOCKER.format(blocked=blocked),
            "doctor",
            str(directory.parent),
            "--cvat",
            "http://localhost",
            "--json",
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    found = json.loads(done.stdout)["findings"]
    assert done.returncode == 1  # the weights of this directory are none
    assert [one for one in found if "itself failed" in one["finding"]] == []
    assert {"this machine", f"function {directory.parent}", "docker and nuclio", "CVAT at http://localhost"} == {
        one["area"] for one in found
    }
