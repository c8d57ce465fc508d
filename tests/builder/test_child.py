"""How a subprocess ended is told in one sentence."""

import re

import pytest

from builder import child
from builder.errors import BuildError


def isolated(tmp_path, code, timeout=None):
    script = tmp_path / "script.py"
    script.write_text(code)
    step = "functions/cats: running it"
    child.run_isolated(script, [], directory=tmp_path, engine="fake", step=step, timeout=timeout)


def expect(sentence, tmp_path, code, timeout=None):
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        isolated(tmp_path, code, timeout)


def test_a_crash_names_its_signal(tmp_path):
    sentence = "functions/cats: running it: ended by SIGSEGV (no output); expected it to succeed."
    expect(sentence, tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")


def test_an_exception_gives_its_last_line(tmp_path):
    sentence = "functions/cats: running it: exit code 1 (ValueError: too small); expected it to succeed."
    expect(sentence, tmp_path, "raise ValueError('too small')")


def test_too_slow_a_script_is_stopped(tmp_path):
    sentence = "functions/cats: running it: no answer within 0.2 s; expected it to succeed."
    expect(sentence, tmp_path, "import time; time.sleep(60)", timeout=0.2)


def test_an_isolated_script_sees_its_directory_first_and_not_its_own_folder(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, os\n"
        f"assert sys.path[0] == {str(inner)!r} == os.getcwd(), sys.path\n"
        f"assert {str(tmp_path)!r} not in sys.path\n"
        "assert os.environ['MODEL_ENGINE'] == 'fake'\n"
    )
    child.run_isolated(script, [], directory=inner, engine="fake", step="it")


def test_a_module_of_ours_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(BuildError, match=re.escape("it: exit code 2 (preannotate: error: ")):
        child.run_module("preannotate", ["none"], step="it")


def test_a_module_of_ours_may_report_its_own_error(tmp_path, monkeypatch):
    (tmp_path / "a_module.py").write_text(
        "import sys; print('noise\\nerror: a.onnx: no model; expected one.', file=sys.stderr); sys.exit(2)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"^a\.onnx: no model; expected one\.$"):
        child.run_module("a_module", [], step="importing")
