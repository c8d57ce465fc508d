"""A child process: what it prints, how it ends, how it is stopped, and that it never outlives its parent."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from preannotate.core import child_process
from preannotate.core.child_process import (
    CheckFailedError,
    ChildError,
    ChildProcess,
    Result,
    failure,
    last_error,
    run,
    run_module,
    sigterm_interrupts,
)

# What commands of ours may do.
COMMAND = """
import os, signal, sys, time

kind, *arguments = sys.argv[1:]
print("a line for people", file=sys.stderr)
if kind == "train":
    print("the", "answer")
if kind == "refuse":
    print("error: batch_size=0; expected more.", file=sys.stderr)
    sys.exit(int(arguments[0]))
if kind == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if kind == "crash":
    raise ZeroDivisionError("division by zero")
if kind == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if kind in ("deaf", "sleep"):
    with open(arguments[0], "w") as file:
        file.write(str(os.getpid()))
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        open(arguments[0] + ".stopped", "w").close()
        print("stopped; continue with --resume", file=sys.stderr)
        sys.exit(130)
"""


@pytest.fixture(autouse=True)
def command(tmp_path, monkeypatch):
    """A module `a_command` that child processes find."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "a_command.py").write_text(COMMAND)
    path = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))


def python(code):
    return [sys.executable, "-c", code]


def test_stdout_is_returned_and_stderr_is_forwarded(capfd):
    polls = []

    assert run_module("a_command", ["train"], poll=lambda: polls.append(1)) == "the answer"
    assert "a line for people" in capfd.readouterr().err
    assert polls


def test_its_own_error_is_raised_and_not_printed_twice(capfd):
    with pytest.raises(ChildError) as caught:
        run_module("a_command", ["refuse", "2"])

    assert str(caught.value) == "batch_size=0; expected more."
    assert not isinstance(caught.value, CheckFailedError)
    assert "error:" not in capfd.readouterr().err


def test_exit_code_1_is_a_check_that_failed():
    with pytest.raises(CheckFailedError, match=r"batch_size=0; expected more\."):
        run_module("a_command", ["refuse", "1"])


def test_the_end_by_the_system_is_a_sentence():
    with pytest.raises(ChildError) as caught:
        run_module("a_command", ["kill"], remedy="Lower batch_size")

    assert str(caught.value) == (
        "kill: ended by the system (SIGKILL), most likely for lack of memory; expected exit code 0. "
        "Lower batch_size, then run the same command again."
    )


def test_an_error_in_the_program_leaves_its_traceback(capfd):
    with pytest.raises(ChildError) as caught:
        run_module("a_command", ["crash"])

    assert str(caught.value) == (
        "crash: exit code 1 (ZeroDivisionError: division by zero); expected exit code 0. This is an error in the "
        "program; the lines above show where."
    )
    assert "Traceback" in capfd.readouterr().err


def test_a_crash_of_an_engine_is_named():
    assert failure(Result(-signal.SIGSEGV), "train", "Free memory").startswith(
        "train: ended by SIGSEGV (no output); expected exit"
    )


def test_the_last_error_counts():
    assert last_error(["error: first", "error: second", "a line"]) == "second"
    assert last_error(["a line"]) == ""


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (Result(0, "fine", "a warning"), ""),
        (Result(3, "out", "first\nno such thing\n"), "no such thing"),
        (Result(3, "only out\n"), "only out"),
        (Result(3), "exit code 3"),
        (Result(-signal.SIGSEGV, stderr="a line"), "ended by SIGSEGV"),
        (Result(-signal.SIGKILL), "ended by the system (SIGKILL), most likely for lack of memory"),
        (
            Result(128 + signal.SIGKILL, stderr="a line"),
            "ended by the system (SIGKILL), most likely for lack of memory",
        ),
        (Result(-64), "ended by SIGRTMAX"),
        (Result(-63), "ended by signal 63"),
        (Result(None, not_run="no such command", missing=True), "no such command"),
    ],
)
def test_the_problem_in_a_few_words(result, problem):
    assert result.problem == problem


def test_a_program_that_does_not_exist_is_a_result():
    result = run(["no-such-program-anywhere"])

    assert (result.missing, result.problem) == (True, "no such command")


def test_a_program_that_may_not_run_is_a_result(tmp_path):
    (tmp_path / "program").write_text("#!/bin/sh\n")

    assert run([str(tmp_path / "program")]).problem == "Permission denied"


def test_a_program_that_takes_too_long_is_ended():
    result = run(python("print('begun', flush=True); import time; time.sleep(60)"), timeout=0.5)

    assert (result.code, result.problem) == (None, "no answer within 0.5 s")


def test_a_program_reads_what_it_is_given():
    assert run(python("print(input()[::-1])"), given="abc\n").stdout == "cba\n"
    assert run(python("print(repr(open(0).read()))")).stdout == "''\n"


def test_more_than_a_pipe_holds_is_read_from_both_streams():
    code = "import sys; sys.stderr.write('e' * 300_000 + '\\n'); sys.stdout.write('o' * 300_000)"
    result = run(python(code))

    assert (len(result.stdout), len(result.stderr)) == (300_000, 300_001)


def test_endless_lines_are_cut_and_only_the_end_is_kept():
    code = "import sys; sys.stderr.write('x' * 1000 + '\\n'); [print(n, file=sys.stderr) for n in range(1000)]"
    lines = []
    result = run(python(code), on_stderr=lines.append, max_kept_bytes=100)

    assert lines[:2] == ["x" * 100, "0"]
    assert len(result.stderr) <= 100
    assert result.last_line == "999"


def test_the_caller_may_speak_a_protocol_with_it():
    with ChildProcess(python("while line := input(): print(line * 2, flush=True)"), protocol=True) as child:
        child.stdin.write(b"ab\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"abab\n"
    assert not child.alive


def test_both_streams_may_go_to_a_file(tmp_path):
    with (tmp_path / "log").open("ab") as log:
        run(python("import sys; print(1, flush=True); print(2, file=sys.stderr)"), stdout=log, stderr=log)

    assert (tmp_path / "log").read_text() == "1\n2\n"


def test_what_it_leaves_in_its_group_ends_with_it(tmp_path):
    code = (
        "import subprocess, sys; child = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL, "
        "stderr=subprocess.DEVNULL); print(child.pid)"
    )
    pid = int(run(python(code)).stdout)

    _wait_until(lambda: not _alive(pid))


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def _wait_until(true):
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _pid(path):
    _wait_until(lambda: path.is_file() and path.read_text())
    return int(path.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_reaches_the_child_and_is_waited_for(tmp_path, capfd, number):
    """SIGTERM as well as Ctrl-C; the child ends in its own way."""

    running = threading.Event()
    running.set()

    def stop():
        _pid(tmp_path / "pid")
        if running.is_set():  # else a signal would end the tests in place of this one
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt), sigterm_interrupts():
            run_module("a_command", ["sleep", str(tmp_path / "pid")])
    finally:
        running.clear()
        thread.join()

    assert not _alive(_pid(tmp_path / "pid"))
    assert (tmp_path / "pid.stopped").is_file()
    assert "--resume" not in capfd.readouterr().err  # the run has its own way to go on


def test_ctrl_c_while_a_child_starts_leaves_no_child(tmp_path, monkeypatch):
    def interrupted(*_):
        _pid(tmp_path / "pid")
        raise KeyboardInterrupt

    monkeypatch.setattr(child_process, "_LineReader", interrupted)

    with pytest.raises(KeyboardInterrupt):
        run_module("a_command", ["sleep", str(tmp_path / "pid")])

    assert not _alive(_pid(tmp_path / "pid"))


def test_a_child_that_ignores_signals_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(child_process, "STOP_STEPS", ((signal.SIGINT, 0.1), (signal.SIGTERM, 0.1)))

    def poll():
        if (tmp_path / "pid").is_file():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_module("a_command", ["deaf", str(tmp_path / "pid")], poll=poll)

    assert not _alive(_pid(tmp_path / "pid"))


def test_it_ends_with_its_parent(tmp_path):
    code = (
        "import sys; from preannotate.core.child_process import run_module; "
        "run_module('a_command', ['sleep', sys.argv[1]])"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "pid")], stderr=subprocess.DEVNULL)
    pid = _pid(tmp_path / "pid")

    parent.kill()
    parent.wait()

    _wait_until(lambda: not _alive(pid))


def test_a_tool_has_little_time_and_an_environment_of_its_own(monkeypatch):
    code = "import os, time; print(os.environ.get('COLOUR'), flush=True); time.sleep(60)"
    result = child_process.run_tool(*python(code), timeout=0.5, env={**os.environ, "COLOUR": "red"})

    assert (result.stdout, result.problem) == ("red\n", "no answer within 0.5 s")


def test_a_child_may_stay_in_the_group_of_its_parent(monkeypatch):
    monkeypatch.setattr(child_process, "STOP_STEPS", ((signal.SIGTERM, 30),))
    code = "import os, sys, time; print(os.getpgid(0), file=sys.stderr, flush=True); time.sleep(60)"
    lines = queue.SimpleQueue()
    with ChildProcess(python(code), own_session=False, on_stderr=lines.put) as child:
        assert int(lines.get(timeout=30)) == os.getpgid(0)
        child.stop()

    assert child.result().code == -signal.SIGTERM
