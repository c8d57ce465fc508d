"""The limits, each reached by a small program in a process of its own."""

import signal
import subprocess
import sys

import pytest

from builder import child, confinement
from builder.errors import BuildError

START = "import sys, pathlib; from builder import confinement; confinement.confine([pathlib.Path(sys.argv[1])]);"


def run(program, folder):
    return subprocess.run([sys.executable, "-c", START + program, str(folder)], capture_output=True, text=True)


def test_memory_ends_before_that_of_the_machine(tmp_path):
    done = run("bytearray(confinement.memory_limit() + 1)", tmp_path)
    assert done.stderr.splitlines()[-1] == "MemoryError"


def test_honest_memory_is_there(tmp_path):
    assert run("bytearray(500_000_000)", tmp_path).returncode == 0


def test_time_ends_although_nothing_is_computed_in_python(tmp_path):
    done = run("confinement.set_deadline(1); import signal; signal.pause()", tmp_path)
    assert done.returncode == -signal.SIGALRM


def test_a_deadline_is_for_what_is_inside(tmp_path):
    program = "\nwith confinement.deadline(100): pass\nimport signal; print(signal.getitimer(signal.ITIMER_REAL)[0])"
    left = float(run(program, tmp_path).stdout)
    assert 100 < left <= confinement.READING_SECONDS


def test_a_process_without_limits_keeps_having_none():
    with confinement.deadline(1):
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.fixture
def landlock():
    import ctypes

    if ctypes.CDLL(None).syscall(444, None, 0, 1) < 1:
        pytest.skip("this kernel has no Landlock")


@pytest.mark.parametrize(
    "program",
    [
        "open(pathlib.Path(sys.argv[1]).parent / 'outside', 'w')",
        "(pathlib.Path(sys.argv[1]).parent / 'there').unlink()",
        "open(pathlib.Path(sys.argv[1]).parent / 'there', 'a')",
        "import os; os.execv('/bin/true', ['true'])",
    ],
)
def test_nothing_is_written_elsewhere_and_no_program_started(landlock, tmp_path, program):
    (tmp_path / "own").mkdir()
    (tmp_path / "there").write_text("there")
    done = run(program, tmp_path / "own")
    assert done.returncode == 1
    assert "PermissionError" in done.stderr
    assert (tmp_path / "there").read_text() == "there"
    assert not (tmp_path / "outside").exists()


def test_its_own_folder_is_written_and_everything_is_read(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "there").write_text("there")
    program = (
        "own = pathlib.Path(sys.argv[1]); (own / 'new').mkdir(); "
        "(own / 'new' / 'file').write_text((own.parent / 'there').read_text()); (own / 'new').rename(own / 'renamed'); "
        "open('/dev/null', 'w').write('x')"
    )
    assert run(program, tmp_path / "own").returncode == 0
    assert (tmp_path / "own" / "renamed" / "file").read_text() == "there"


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ("SIGALRM", "reading: it took too long; expected an end within minutes. Export a smaller model."),
        (
            "SIGABRT",
            "reading: the library that reads it crashed (ended by SIGABRT), or ran out of memory; expected a whole "
            "model. Free memory, or export it again.",
        ),
    ],
)
def test_the_end_by_a_limit_is_one_sentence(tmp_path, monkeypatch, number, sentence):
    (tmp_path / "ends_by_signal.py").write_text(f"import os, signal; os.kill(os.getpid(), signal.{number})")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(BuildError) as error:
        child.run_module("ends_by_signal", [], step="reading")
    assert str(error.value) == sentence
