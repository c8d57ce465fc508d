"""One of our commands as a child process: what it prints, how it ends, and that it never outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from preannotate.core import child_process
from preannotate.core.child_process import CheckFailedError, _failure, terminable
from preannotate.registry.errors import LoopError

# In place of the command line: what a training may do.
FAKE = """
import os, signal, sys, time
def main(arguments):
    kind = arguments[0]
    print("a line for people", file=sys.stderr)
    if kind == "train":
        print("the", "answer")
        return 0
    if kind == "refuse":
        print("error: batch_size=0; expected more.", file=sys.stderr)
        return int(arguments[1])
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "crash":
        raise ZeroDivisionError("division by zero")
    if kind == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        open(arguments[1], "w").write(str(os.getpid()))
        time.sleep(60)
    if kind == "sleep":
        open(arguments[1], "w").write(str(os.getpid()))
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            open(arguments[1] + ".stopped", "w").close()
            print("stopped; continue with --resume", file=sys.stderr)
            return 130
"""


@pytest.fixture(autouse=True)
def fake_command_line(tmp_path, monkeypatch):
    """`preannotate.cli.main` of child processes is the fake; everything else is the project's."""
    import preannotate

    site = tmp_path / "site"
    site.mkdir()
    (site / "fake_cli.py").write_text(FAKE)
    (site / "sitecustomize.py").write_text(
        "import sys\n"
        "from importlib import util\n"
        f"spec = util.spec_from_file_location('preannotate.cli.main', {str(site / 'fake_cli.py')!r})\n"
        "sys.modules['preannotate.cli.main'] = util.module_from_spec(spec)\n"
        "spec.loader.exec_module(sys.modules['preannotate.cli.main'])\n"
    )
    root = Path(preannotate.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (site, root, root / "functions"))))


def test_what_it_prints_is_given_back_and_what_it_says_goes_on(capfd):
    looks = []

    assert child_process.run(["train"], look=lambda: looks.append(1)) == "the answer"
    assert "a line for people" in capfd.readouterr().err
    assert looks


def test_its_own_sentence_is_raised_and_not_said_twice(capfd):
    with pytest.raises(LoopError) as caught:
        child_process.run(["refuse", "2"])

    assert str(caught.value) == "batch_size=0; expected more."
    assert not isinstance(caught.value, CheckFailedError)
    assert "error:" not in capfd.readouterr().err


def test_exit_code_1_is_a_check_that_failed():
    with pytest.raises(CheckFailedError, match=r"batch_size=0; expected more\."):
        child_process.run(["refuse", "1"])


def test_the_end_by_the_system_is_a_sentence():
    with pytest.raises(LoopError) as caught:
        child_process.run(["kill"], remedy="Lower batch_size")

    assert str(caught.value) == (
        "kill: the system ended it (SIGKILL), most likely for lack of memory; expected its end. "
        "Lower batch_size, then give the same command again."
    )


def test_a_fault_of_the_program_leaves_its_traceback(capfd):
    with pytest.raises(LoopError) as caught:
        child_process.run(["crash"])

    assert str(caught.value) == (
        "crash: exit code 1 (ZeroDivisionError: division by zero); expected 0. This is a fault of the program; the "
        "lines above tell where it is."
    )
    assert "Traceback" in capfd.readouterr().err


def test_a_crash_of_an_engine_is_named():
    assert str(_failure("train", -signal.SIGSEGV, [], "")) == (
        "train: ended by SIGSEGV (without a word); expected 0. This is a fault of the program; the lines above tell "
        "where it is."
    )


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def _pid(path):
    deadline = time.monotonic() + 30
    while not path.is_file() or not path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(path.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_reaches_the_child_and_is_waited_for(tmp_path, capfd, number):
    """SIGTERM as well as Ctrl-C; the child ends in its own way."""

    def stop():
        _pid(tmp_path / "pid")
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(KeyboardInterrupt), terminable():
        child_process.run(["sleep", str(tmp_path / "pid")])
    thread.join()

    assert not _alive(_pid(tmp_path / "pid"))
    assert (tmp_path / "pid.stopped").is_file()
    assert "--resume" not in capfd.readouterr().err  # the run has its own way to go on


def test_one_that_does_not_listen_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(child_process, "GRACE_SECONDS", 0.2)

    def look():
        if (tmp_path / "pid").is_file():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        child_process.run(["deaf", str(tmp_path / "pid")], look=look)

    assert not _alive(_pid(tmp_path / "pid"))


def test_it_ends_with_its_parent(tmp_path):
    code = "import sys; from preannotate.pipeline import child; child.run(['sleep', sys.argv[1]])"
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "pid")], stderr=subprocess.DEVNULL)
    pid = _pid(tmp_path / "pid")

    parent.kill()
    parent.wait()

    deadline = time.monotonic() + 30
    while _alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
