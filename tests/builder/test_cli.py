"""The commands: words, exit codes, and no traceback."""

import json
import os
import subprocess
import sys

import pytest

from builder.cli import COMMANDS, main


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


def test_a_bad_name_is_refused_before_anything_is_written(export, tmp_path, capsys):
    assert main(["build", str(export), "--name", "My Cats", "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: --name: 'My Cats'; expected 1 to 52 lower-case letters")
    assert not (tmp_path / "out").exists()


def test_a_file_where_a_folder_should_be(export, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert main(["build", str(export), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: [Errno 17] File exists")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_heavy_package(command):
    code = (
        "import sys\nfrom builder.cli import main\ntry:\n"
        f"    main([{command!r}, '--help'])\nexcept SystemExit as end:\n"
        "    heavy = {'numpy', 'PIL', 'yaml', 'tensorflow', 'openvino', 'pycocotools'} & set(sys.modules)\n"
        "    sys.exit(str(heavy) if heavy or end.code else 0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m builder" in done.stdout
