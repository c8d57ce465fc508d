"""The whole server as a process of its own, with real sockets and signals."""

import contextlib
import importlib.util
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from preannotate.serving.command import TOKEN_VARIABLE, find_token, run_server
from preannotate.serving.errors import ServeError

SLEEPY = """
import os, time
def handler(context, event):
    if float(event.body or 0):
        open("../begun", "w").close()
        time.sleep(float(event.body))
    return str(os.getpid())
"""


@pytest.fixture
def start(write_function: Callable[..., Path], start_server: Callable[..., Any]) -> Callable[..., Any]:
    """Serves one function of a few lines."""

    def begin(host: str = "127.0.0.1", *arguments: str, main: str = SLEEPY, **environment: str) -> Any:
        folder = write_function("sleepy", main).parents[1]
        return start_server(folder, "--host", host, *arguments, **environment)

    return begin


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def in_background(work: Callable[[], httpx.Response]) -> tuple[threading.Thread, list[httpx.Response]]:
    """Start a request that may find no server any more; returns where its answer will be."""
    results: list[httpx.Response] = []

    def ask() -> None:
        with contextlib.suppress(httpx.HTTPError):
            results.append(work())

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, results


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_finishes_what_is_in_flight_and_ends_the_workers(start, number, tmp_path):
    server = start()
    pid = int(server.call(0).text)
    thread, results = in_background(lambda: server.call(1))
    wait_until((tmp_path / "functions" / "sleepy" / "begun").exists)
    code = server.end(number)
    thread.join()

    assert code == 0
    assert [result.status_code for result in results] == [200]
    assert not alive(pid)
    with pytest.raises(httpx.ConnectError):
        server.call(0)


@pytest.mark.slow
def test_second_signal_does_not_wait(start, tmp_path):
    server = start()
    pid = int(server.call(0).text)
    thread, results = in_background(lambda: server.call(25))
    wait_until((tmp_path / "functions" / "sleepy" / "begun").exists)
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Stopping: " in "".join(server.log))
    code = server.end()
    thread.join()

    assert code == 0
    assert [result.status_code for result in results] == [503]
    assert not alive(pid)


@pytest.mark.slow
def test_clients_that_do_nothing_do_not_hold_up_the_end(start):
    server = start()
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with socket.create_connection(address), socket.create_connection(address) as asking:
        asking.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asking.recv(15) == b"HTTP/1.1 200 OK"

        assert server.end() == 0
    assert "Traceback" not in "".join(server.log)


@pytest.mark.slow
def test_upload_that_stands_still_does_not_survive_a_second_signal(start):
    server = start()
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with socket.create_connection(address) as standing:
        standing.sendall(
            b"POST /api/function_invocations HTTP/1.1\r\nHost: a\r\nx-nuclio-function-name: sleepy\r\n"
            b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert standing.recv(100).startswith(b"HTTP/1.1 100 ")
        standing.sendall(b"abc")
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "Stopping: " in "".join(server.log))
        assert server.process.poll() is None
        assert server.end() == 0
    assert "Traceback" not in "".join(server.log)


@pytest.mark.slow
@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_when_the_server_is_killed(start, busy, tmp_path):
    server = start()
    pid = int(server.call(0).text)
    if busy:
        in_background(lambda: server.call(25))
        wait_until((tmp_path / "functions" / "sleepy" / "begun").exists)
    server.end(signal.SIGKILL)

    wait_until(lambda: not alive(pid))


@pytest.mark.slow
def test_functions_come_and_go_without_a_restart(start, write_function):
    server = start()

    def names() -> list[str]:
        return sorted(httpx.get(f"{server.url}/api/functions").json())

    assert names() == ["sleepy"]
    directory = write_function("later", SLEEPY)
    wait_until(lambda: names() == ["later", "sleepy"])
    (directory / "function.yaml").unlink()
    wait_until(lambda: names() == ["sleepy"])
    assert server.end() == 0


@pytest.mark.slow
def test_server_says_where_it_is_and_that_it_has_no_login(start):
    local, wide = start(), start("0.0.0.0")
    local.end()
    wide.end()

    assert re.fullmatch(r"Serving 1 function of /\S+ on http://127\.0\.0\.1:\d+ \(Ctrl-C stops\)\.\n", local.greeting)
    sentence = (
        "0.0.0.0: other machines can reach this server, and it has no login: whoever reaches the port can use "
        "the functions. Let a firewall admit CVAT only, or set a token (--token-file)."
    )
    assert sentence in "".join(wide.log)
    assert "no login" not in "".join(local.log)
    assert "Traceback" not in "".join(local.log + wide.log)


@pytest.mark.slow
def test_token_of_a_file_is_asked_for_and_shown_nowhere(start, tmp_path):
    token, other = "token-0123456789", "other-0123456789"
    (tmp_path / "token").write_text(token + "\n")
    main = """
import os
def handler(context, event):
    server = open(f"/proc/{os.getppid()}/cmdline").read()
    return repr(dict(os.environ)) + repr(event.headers) + server
"""
    server = start("0.0.0.0", "--token-file", str(tmp_path / "token"), main=main, PREANNOTATE_TOKEN=other)

    assert server.call(0).status_code == 401
    assert server.call(0, Authorization=f"Bearer {other}").status_code == 401
    told = server.call(0, Authorization=f"Bearer {token}")
    assert told.status_code == 200
    assert token not in told.text
    assert other not in told.text
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert server.end() == 0
    log = server.greeting + "".join(server.log)
    assert "other machines can reach this server; they need its token, which travels unencrypted." in log
    assert token not in log


@pytest.mark.slow
def test_gpus_serve_the_other_variant(start, write_function):
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    server = start("127.0.0.1", "--gpus", "1,0", CUDA_VISIBLE_DEVICES="4,5")
    assert server.greeting.startswith("Serving 0 functions of ")
    directory = write_function("sleepy", "import os\ndef handler(c, e): return os.environ['CUDA_VISIBLE_DEVICES']\n")
    text = (directory / "function.yaml").read_text()
    (directory / "function-gpu.yaml").write_text(text.replace("name: sleepy", "name: sleepy-gpu"))
    wait_until(lambda: httpx.get(f"{server.url}/api/functions/sleepy-gpu").status_code == 200)

    assert server.call("", "sleepy-gpu").text in ("4", "5")
    wait_until(lambda: "sleepy-gpu: ready, 2 of 2 workers." in "".join(server.log))
    assert server.end() == 0
    log = "".join(server.log)
    assert "GPU variants (function-gpu.yaml), a worker of each function for each GPU: 5, 4." in log
    assert "no functions yet; NAME/nuclio/function-gpu.yaml is served once it is there." in log


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"gpus": "0", "workers": 2},
         "--gpus, --workers: both are given; expected one, as each GPU has one worker. Leave one out."),
        ({"gpus": "0,cat"}, "--gpus: 'cat'; expected numbers from 0 on or identifiers (GPU-…, MIG-…) with commas "
         "between them, as in 0,1. `nvidia-smi -L` lists both."),
        ({"token": "short"}, "--token: 5 characters; expected 16 to 512 of A-Z, a-z, 0-9, '.', '_', '~' and '-'. "
         "Make one with `python3 -c 'import secrets; print(secrets.token_urlsafe())'`."),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_one_sentence(tmp_path, monkeypatch, options, sentence):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
        run_server(tmp_path, "127.0.0.1", 8070, **{"workers": None, **options})


def test_gpus_without_tensorflow_are_one_sentence(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorflow" else found(name))

    sentence = (
        "--gpus: tensorflow not installed; expected it, as the GPU variant runs on it. "
        "Run `pip install 'preannotate[serve-gpu]'`, or leave out --gpus."
    )
    with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
        run_server(tmp_path, "127.0.0.1", 8070, None, gpus="0")


@pytest.mark.parametrize(
    ("name", "port", "workers", "sentence"),
    [
        ("none", 8070, None, "{folder}: no such folder; expected one with function directories "
         "(NAME/nuclio/function.yaml). Build a function first with `preannotate build`."),
        ("", 70000, None, "--port: 70000; expected a number from 0 to 65535. Choose another."),
        ("", 8070, 0, "--workers: 0; expected a number from 1 on. Choose another."),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_sentence(tmp_path, name, port, workers, sentence):
    folder = tmp_path / name
    with pytest.raises(ServeError, match=f"^{re.escape(sentence.format(folder=folder))}$"):
        run_server(folder, "127.0.0.1", port, workers)


TOKEN = "0123456789abcdefgh._~-AZ"
OTHER = "another-token-of-a-good-length"


@pytest.fixture(autouse=True)
def no_token_variable(monkeypatch):
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
        f"Check its permissions."
    )
    with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
        find_token(None, tmp_path / "none")


def test_two_tokens_are_one_too_many(tmp_path):
    sentence = "--token, --token-file: both are given; expected one. Leave out --token."
    with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
        find_token(TOKEN, tmp_path / "token")
