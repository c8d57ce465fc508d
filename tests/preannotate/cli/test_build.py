"""The commands: words, exit codes, and no traceback."""

import json

import pytest
from support.exports import make_export, make_function
from support.functions import prove

from preannotate.cli.main import main


@pytest.fixture
def export(tmp_path):
    return make_export(tmp_path / "runs" / "My_Cats" / "export")


@pytest.fixture
def function_dir(export, tmp_path):
    directory = tmp_path / "functions" / "cats" / "nuclio"
    make_function(export, directory)
    return directory


def test_an_error_is_one_sentence_and_exit_code_two(tmp_path, capsys):
    path = tmp_path / "none"
    assert main(["build", str(path)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        f"error: {path}: no such folder; expected a run directory, as `preannotate train` and `import` make it.\n"
    )
    assert main(["check", str(tmp_path)]) == 2


def test_a_failed_check_is_exit_code_one(function_dir, capsys):
    (function_dir / "model.bin").unlink()
    assert main(["check", str(function_dir.parent)]) == 1
    sentence = "model.bin: no such file; expected a whole function directory. Build the function again."
    assert capsys.readouterr().out == f"{function_dir}: failed\n  problem: {sentence}\n"
    assert main(["check", str(function_dir.parent), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "directory": str(function_dir),
        "verdict": "failed",
        "problems": [sentence],
        "notes": [],
    }


def test_a_check_names_a_file_that_changed_after_the_proof(function_dir, capsys):
    prove(function_dir)
    (function_dir / "model.bin").write_bytes(b"changed")
    (function_dir / "model.xml").unlink()
    assert main(["check", str(function_dir.parent), "--json"]) == 1
    assert [problem.partition(";")[0] for problem in json.loads(capsys.readouterr().out)["problems"]] == [
        "model.xml: no such file",
        "model.bin: changed after the proof",
    ]


def test_a_bad_name_is_refused_before_anything_is_written(export, tmp_path, capsys):
    assert main(["build", str(export), "--name", "My Cats", "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: --name: 'My Cats'; expected 1 to 52 lower-case letters")
    assert not (tmp_path / "out").exists()
