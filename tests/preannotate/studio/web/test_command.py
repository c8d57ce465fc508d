"""`preannotate studio` as a process, and what it refuses."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from preannotate.cli.main import main
from preannotate.studio.web.access.authentication import VARIABLE


def refusal(capsys, *words):
    assert main(["studio", *words]) == 2
    return capsys.readouterr().err.strip()


def test_beyond_loopback_a_token_is_needed(capsys, tmp_path):
    said = refusal(capsys, "--workspace", str(tmp_path / "w"), "--host", "0.0.0.0")

    assert said == (
        "error: --host 0.0.0.0: other machines could reach the studio, and it has no login; expected a token. "
        "Write one into a file of mode 0600 and name it: --token-file FILE; or let it make one: --keep-token."
    )
    assert not (tmp_path / "w").exists()


def test_behind_a_proxy_a_token_is_needed(capsys):
    assert refusal(capsys, "--allow-host", "studio.example.org") == (
        "error: --allow-host studio.example.org: others could reach the studio by that name, and it has no login; "
        "expected a token. Write one into a file of mode 0600 and name it: --token-file FILE; or let it make one: "
        "--keep-token."
    )


def test_a_port_is_a_number(capsys):
    assert (
        refusal(capsys, "--port", "70000") == "error: --port: 70000; expected a number from 0 to 65535. Choose another."
    )


def test_what_is_not_installed_is_named(capsys, monkeypatch):
    from preannotate.studio.web import command

    monkeypatch.setattr(command, "PACKAGES", {"no_such_module": "no-such-package"})

    assert refusal(capsys) == (
        "error: studio: no-such-package not installed; expected the packages of the extra `studio`. "
        "Run `pip install 'preannotate[studio]'`."
    )


@pytest.mark.slow
def test_the_studio_starts_answers_and_stops(tmp_path):
    command = [
        sys.executable,
        "-m",
        "preannotate",
        "studio",
        "--workspace",
        str(tmp_path / "w"),
        "--port",
        "0",
        "--no-browser",
    ]
    environment = os.environ | {VARIABLE: "a-long-token-of-the-studio"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            said = process.stdout.readline()
            address = re.fullmatch(
                r"The studio is on (http://127.0.0.1:\d+/) \(Ctrl-C stops it; runs go on\)\.\n", said
            )[1]
            assert urllib.request.urlopen(f"{address}healthz").read() == b"ok"
            assert urllib.request.urlopen(address).url == f"{address}login"
            with pytest.raises(urllib.error.HTTPError, match="421"):
                urllib.request.urlopen(urllib.request.Request(address, headers={"Host": "evil.example"}))
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert b"a-long-token" not in b"".join(path.read_bytes() for path in (tmp_path / "w").rglob("*") if path.is_file())


def serve(path, port=0):
    command = [
        sys.executable,
        "-m",
        "preannotate",
        "studio",
        "--workspace",
        str(path),
        "--port",
        str(port),
        "--no-browser",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_second_studio_on_a_workspace_or_a_port_is_refused(tmp_path):
    with serve(tmp_path / "w") as first:
        try:
            port = int(re.search(r":(\d+)/", first.stdout.readline())[1])
            with serve(tmp_path / "w") as second, serve(tmp_path / "other", port) as third:
                assert second.wait(20) == third.wait(20) == 2
                assert second.stderr.read() == (
                    f"error: {tmp_path / 'w'}: another studio uses this workspace; expected none. "
                    f"Use that one, or stop it.\n"
                )
                assert third.stderr.read() == (
                    f"error: 127.0.0.1:{port}: Address already in use; expected a free port of this machine. "
                    f"Stop what uses it, or choose another with --host and --port.\n"
                )
        finally:
            first.send_signal(signal.SIGINT)
        assert first.wait(20) == 0


def test_a_page_that_is_open_outlives_a_restart_but_no_login_does(tmp_path):
    from preannotate.studio.web.command import _key

    assert _key(tmp_path, "") == _key(tmp_path, "")
    assert (tmp_path / ".secrets" / "studio-sessions").stat().st_mode & 0o777 == 0o600
    assert _key(tmp_path, "a token") != _key(tmp_path, "a token")


def printed(capsys, *words):
    assert main(["studio", "--print-login", *words]) == 0
    return capsys.readouterr().out


def test_the_kept_token_is_made_once_and_printed_as_an_address(tmp_path, capsys, monkeypatch):
    from preannotate.studio.web.command import URL_VARIABLE, _kept_token

    monkeypatch.delenv(URL_VARIABLE, raising=False)
    token = _kept_token(tmp_path, make=True)
    assert len(token) >= 32
    assert _kept_token(tmp_path, make=True) == token
    assert (tmp_path / ".secrets" / "studio-token").stat().st_mode & 0o777 == 0o600

    words = ("--workspace", str(tmp_path))
    assert printed(capsys, *words) == f"http://localhost:8095/login#token={token}\n"
    assert printed(capsys, *words, "--port", "80") == f"http://localhost:80/login#token={token}\n"
    monkeypatch.setenv(URL_VARIABLE, "https://studio.example.org/")
    assert printed(capsys, *words) == f"https://studio.example.org/login#token={token}\n"


def test_without_a_kept_token_there_is_nothing_to_print(tmp_path, capsys):
    assert refusal(capsys, "--print-login", "--workspace", str(tmp_path / "w")) == (
        f"error: {tmp_path / 'w'}: no login token; expected that of a studio with --keep-token. "
        f"Start the studio with it first."
    )
    assert not (tmp_path / "w").exists()


def test_a_kept_token_that_others_could_read_or_that_is_none_is_refused(tmp_path, capsys):
    file = tmp_path / ".secrets" / "studio-token"
    file.parent.mkdir(mode=0o700)
    file.write_text("short")
    file.chmod(0o600)
    said = refusal(capsys, "--print-login", "--workspace", str(tmp_path))
    assert said.startswith(f"error: {file}: 5 characters; expected 16 to 512 of A-Z, a-z, 0-9")

    file.chmod(0o644)
    said = refusal(capsys, "--print-login", "--workspace", str(tmp_path))
    assert "mode 0644, so other users could have read it; expected 0600." in said


def test_an_address_that_is_none_is_not_printed(tmp_path, capsys, monkeypatch):
    from preannotate.studio.web.command import URL_VARIABLE, _kept_token

    _kept_token(tmp_path, make=True)
    monkeypatch.setenv(URL_VARIABLE, "localhost:8095")
    said = refusal(capsys, "--print-login", "--workspace", str(tmp_path))

    assert said.startswith("error: PREANNOTATE_STUDIO_URL: 'localhost:8095'; expected a URL")
