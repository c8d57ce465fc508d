import sys

from preannotate.diagnostics.tool import ask


def test_what_it_printed():
    said = ask(sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)")

    assert (said.text, said.errors, said.problem, said.missing) == ("out\n", "err\n", "", False)


def test_a_failure_is_told_by_its_last_line():
    assert ask(sys.executable, "-c", "raise ValueError('too small')").problem == "ValueError: too small"
    assert ask(sys.executable, "-c", "raise SystemExit(3)").problem == "exit code 3"


def test_a_crash_names_its_signal():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"

    assert ask(sys.executable, "-c", code).problem == "ended by SIGILL"


def test_too_slow_a_program_is_stopped():
    assert ask(sys.executable, "-c", "import time; time.sleep(60)", seconds=0.2).problem == "no answer within 0.2 s"


def test_no_such_program(tmp_path):
    said = ask(str(tmp_path / "none"))

    assert said.missing
    assert said.problem == "no such command"


def test_a_file_that_is_no_program(tmp_path):
    (tmp_path / "text").write_text("hello")

    assert ask(str(tmp_path / "text")).problem == "Permission denied"
