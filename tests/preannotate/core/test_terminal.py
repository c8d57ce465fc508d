"""Nothing that strangers named moves a terminal's cursor, forges a line of a log, or shows a secret."""

import io
import json
import logging
import sys

import pytest

from preannotate.cli.command import Command, execute, make_parser
from preannotate.core.errors import PreannotateError
from preannotate.core.secrets import redacted
from preannotate.core.terminal import SafeFormatter, log_to_stderr, safe_lines, safe_output
from preannotate.core.text import columns

NASTY = "\x1b[2Jfork\u202elift\x07\x9b31m\u2028\ud800"


def test_lines_keep_what_terminals_may_see():
    text = "100 %\t|█████| 3/4\r\nGabelstapler, вилка, 叉车, 👷\u200d♀️\n"
    assert safe_lines(text) == text


def test_what_is_escaped_is_json_still():
    content = {"label": NASTY[:-1] + "\x7f\x85"}
    shown = safe_lines(json.dumps(content, ensure_ascii=False))
    assert shown.isprintable()
    assert json.loads(shown) == content


def test_both_streams(capsys):
    with safe_output():
        print(NASTY)
        sys.stderr.writelines([NASTY, "\n"])
        assert not sys.stdout.isatty()
    expected = r"\u001b[2Jfork\u202elift\u0007\u009b31m\u2028\ud800" + "\n"
    assert capsys.readouterr() == (expected, expected)
    assert not type(sys.stdout).__name__.startswith("_Safe")


@pytest.mark.parametrize("error", [PreannotateError, ValueError])
def test_errors_of_commands(capsys, monkeypatch, tmp_path, error):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "a-token-of-ann")

    def fail(_):
        raise error(f"{NASTY} a-token-of-ann at http://ann:pass@cvat.example.org/")

    execute(make_parser([Command("fail", "fail", lambda parser: None, fail)]), ["fail"])
    said = capsys.readouterr().err
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    assert said.count("\n") == 1
    assert said.strip().isprintable()
    for text in (said, kept):
        assert "a-token-of-ann" not in text
        assert "ann:pass" not in text
    assert "*** at http://***@cvat.example.org/" in said


def test_a_message_of_a_log_is_one_line():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(SafeFormatter("%(levelname)s %(message)s"))
    record = logging.LogRecord("a", logging.INFO, "", 0, "GET %s", ("/\nERROR all is lost",), None)
    handler.handle(record)
    assert stream.getvalue() == "INFO GET /\\nERROR all is lost\n"


def test_a_traceback_has_its_lines(capsys):
    log_to_stderr()
    try:
        try:
            raise ValueError(NASTY)
        except ValueError:
            logging.getLogger("a").exception("it\nfailed")
    finally:
        logging.getLogger().handlers.clear()
    first, *more = capsys.readouterr().err.splitlines()
    assert first.endswith("ERROR   it\\nfailed")
    assert more[0].startswith("Traceback")
    assert all(line.isprintable() for line in more)


def test_cells_of_a_table():
    assert columns([("a\nb", "1"), ("c", "\x1b[1m")]).splitlines() == [r"a\nb  1", r"c     \x1b[1m"]


def test_short_values_are_no_secrets(monkeypatch):
    monkeypatch.setenv("PASS", "ann")
    assert redacted("task of ann") == "task of ann"
