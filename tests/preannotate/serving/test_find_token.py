import os
import re

import pytest

from preannotate.serving.access import TOKEN_VARIABLE, find_token
from preannotate.serving.errors import ServeError

TOKEN = "0123456789abcdefgh._~-AZ"
OTHER = "another-token-of-a-good-length"


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def test_there_need_be_none():
    assert find_token(None, None) is None


def test_file_wins_over_the_environment_and_may_end_in_a_newline(tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, OTHER)
    (tmp_path / "token").write_text(f"{TOKEN}\n")

    assert find_token(None, tmp_path / "token") == TOKEN


def test_environment_is_read_and_cleared_so_that_no_process_inherits_it(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, OTHER)

    assert find_token(None, None) == OTHER
    assert TOKEN_VARIABLE not in os.environ


def test_command_line_wins_over_the_environment_which_is_cleared_all_the_same(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, OTHER)

    assert find_token(TOKEN, None) == TOKEN
    assert TOKEN_VARIABLE not in os.environ


ADVICE = (
    "expected 16 to 512 of A-Z, a-z, 0-9, '.', '_', '~' and '-'. "
    "Make one with `python3 -c 'import secrets; print(secrets.token_urlsafe())'`."
)


@pytest.mark.parametrize(
    "token", ["", "short", "x" * 513, "with a space in between", "äöüäöüäöüäöüäöüäöü", "x" * 20 + "\n"]
)
def test_poor_token_is_refused_and_not_shown(token):
    with pytest.raises(ServeError, match=f"^{re.escape(f'--token: {len(token)} characters; {ADVICE}')}$"):
        find_token(token, None)


def test_poor_token_of_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "short")
    with pytest.raises(ServeError, match=f"^{re.escape(f'PREANNOTATE_TOKEN: 5 characters; {ADVICE}')}$"):
        find_token(None, None)


def test_poor_file_is_refused(tmp_path):
    path = tmp_path / "token"
    path.write_bytes(b"")
    with pytest.raises(ServeError, match=f"^{re.escape(f'--token-file: {path}: 0 characters; {ADVICE}')}$"):
        find_token(None, path)
    path.write_bytes(b"\xff\xfe")
    sentence = f"--token-file: {path}: not text; expected the token. Write it again."
    with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
        find_token(None, path)


def test_missing_file_is_a_sentence(tmp_path):
    sentence = (
        f"--token-file: {tmp_path}/none: No such file or directory; expected a file that holds the token. "
        f"Look at its rights."
    )
    with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
        find_token(None, tmp_path / "none")


def test_two_tokens_are_one_too_many(tmp_path):
    sentence = "--token, --token-file: both are given; expected one. Leave out --token."
    with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
        find_token(TOKEN, tmp_path / "token")
