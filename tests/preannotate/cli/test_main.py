"""The command line as a whole: what it loads, its exit codes, and what becomes of errors."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from preannotate.cli import main
from preannotate.cli.command import (
    COULD_NOT_RUN,
    INTERRUPTED,
    LOGS_KEPT,
    LONGEST_LOG,
    UNEXPECTED,
    Command,
    execute,
    keep_traceback,
    make_parser,
)
from preannotate.core.errors import PreannotateError

HEAVY = {"numpy", "tensorflow", "keras", "openvino", "cvat_sdk", "PIL", "pycocotools"}
NAMES = [command.name for command in main.COMMANDS]


class FailedCheckError(PreannotateError):
    exit_code = 1


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "preannotate"


@pytest.fixture
def run(capsys):
    """Run a command that does nothing but raise; its exit code and what it prints."""

    def command(error, *options):
        def fail(_):
            if error is not None:
                raise error
            return 0

        table = [Command("try", "try something", lambda parser: parser.add_argument("--token"), fail)]
        code = execute(make_parser(table), ["try", *options])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


def python(code, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run([sys.executable, *code], env=environment, capture_output=True, text=True, **options)


def test_help_loads_nothing_heavy():
    """Neither that of the program nor that of any command."""
    code = (
        "import sys\nfrom preannotate.cli.main import main\n"
        f"for arguments in (['--help'], *([name, '--help'] for name in {NAMES!r})):\n"
        "    try:\n        main(arguments)\n"
        "    except SystemExit as end:\n"
        f"        print(arguments[0], sorted({HEAVY!r} & set(sys.modules)), end.code, file=sys.stderr)\n"
    )
    done = python(["-c", code], check=True)

    assert done.stderr.splitlines() == [f"{name} [] 0" for name in ("--help", *NAMES)]
    assert done.stdout.startswith("usage: preannotate [-h] [--version] [--debug] COMMAND ...\n")


def test_help_names_every_command_once():
    assert len(NAMES) == len(set(NAMES))
    assert [command.name for command in main.COMMANDS if command.help[-1] == "." or command.help[0].isupper()] == []


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as end:
        main.main(["--version"])

    assert end.value.code == 0
    assert capsys.readouterr().out.split()[0] == "preannotate"


def test_an_error_of_ours_is_one_sentence(run):
    assert run(PreannotateError("a.zip: no such file.")) == (COULD_NOT_RUN, "", "error: a.zip: no such file.\n")
    assert run(FailedCheckError("it differs."))[0] == 1


@pytest.mark.parametrize("error", [KeyError("x"), OSError(28, "No space left on device", "/data/x")])
def test_an_unexpected_error_names_the_file_with_its_traceback(run, state, error):
    code, out, err = run(error, "--token", "secret-token")

    (log,) = state.glob("*.log")
    assert (code, out) == (UNEXPECTED, "")
    assert err.count("\n") == 1
    assert err.startswith(f"error: try: unexpected {type(error).__name__}: {error}. The traceback is in {log};")
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert "secret-token" not in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_debug_shows_tracebacks(run, state):
    code, _, err = run(PreannotateError("wrong."), "--debug")
    assert code == COULD_NOT_RUN
    assert err.startswith("Traceback") and err.endswith("\nerror: wrong.\n")

    code, _, err = run(KeyError("x"), "--debug")
    assert code == UNEXPECTED
    assert err.startswith("Traceback") and err.endswith(
        "error: try: unexpected KeyError: 'x'. The traceback is above.\n"
    )
    assert not state.exists()


def test_debug_is_accepted_before_and_after_the_command():
    parser = main.parser()

    assert [parser.parse_args(line.split()).debug for line in ("--debug models", "models --debug", "models")] == [
        True,
        True,
        False,
    ]


def test_a_log_that_cannot_be_written_is_printed(run, state):
    state.parent.write_text("a file where the folder should be")

    code, _, err = run(KeyError("x"))

    assert code == UNEXPECTED
    assert "The traceback could not be written (" in err
    assert "Traceback (most recent call last)" in err


def test_logs_are_few_and_short(state):
    state.mkdir(parents=True)
    for number in range(LOGS_KEPT + 3):
        (state / f"error-20260101-0000{number:02d}-1.log").write_text("")

    keep_traceback("try", "x" * (2 * LONGEST_LOG))

    logs = sorted(state.iterdir())
    assert len(logs) == LOGS_KEPT
    assert LONGEST_LOG < logs[-1].stat().st_size < LONGEST_LOG + 500


def test_ctrl_c_is_quiet(run):
    assert run(KeyboardInterrupt()) == (INTERRUPTED, "", "")


def test_a_reader_that_is_gone_is_quiet():
    code = (
        "import sys\nfrom preannotate.cli.command import Command, execute, make_parser\n"
        "def run(_):\n    print('x' * 1_000_000)\n    return 0\n"
        "sys.exit(execute(make_parser([Command('try', 'try', lambda parser: None, run)]), ['try']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "CODE": code}
    script = f'set -o pipefail; {sys.executable} -c "$CODE" | true'
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    "option", ["--workers 0", "--workers x", "--threshold -0.1", "--threshold 1.5", "--threshold nan"]
)
def test_impossible_numbers_are_refused(option, capsys):
    with pytest.raises(SystemExit) as end:
        main.main(["annotate", "functions/cats", *option.split()])

    assert end.value.code == COULD_NOT_RUN
    assert "; expected a " in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "annotate functions/cats --threshold 0.4 a.jpg b.jpg",
        "annotate --threshold 0.4 functions/cats a.jpg b.jpg",
        "annotate functions/cats a.jpg --threshold 0.4 b.jpg --json",
    ],
)
def test_options_may_stand_between_positional_arguments(line):
    parsed = main.parser().parse_args(line.split())

    assert (parsed.function, parsed.threshold) == (Path("functions/cats"), 0.4)
    assert parsed.images == [Path("a.jpg"), Path("b.jpg")]


def test_unknown_options_and_missing_arguments_are_refused(capsys):
    for line, problem in (
        ("annotate functions/cats --thresh-hold 0.4", "unrecognized arguments: --thresh-hold"),
        ("annotate --threshold 0.4", "the following arguments are required: FUNCTION"),
        ("rank functions/cats", "the following arguments are required: --task"),
    ):
        with pytest.raises(SystemExit):
            main.main(line.split())
        assert problem in capsys.readouterr().err
