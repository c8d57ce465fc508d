"""The whole server as a process of its own, with real sockets and signals."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from preannotate.serve.command import run

SLEEPY = """
import os, time
def handler(context, event):
    time.sleep(float(event.body or 0))
    return str(os.getpid())
"""

RUN = """
import sys
from preannotate.cli import main
sys.exit(main(["serve", sys.argv[1], "--host", sys.argv[2], "--port", "0", *sys.argv[3:]]))
"""


class Server:
    """`run` in a subprocess."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(folder), host, *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.greeting = self.process.stdout.readline()
        self.log: list[str] = []
        self._reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr))
        self._reader.start()
        self.url = re.search(r"http://\S+", self.greeting)[0].replace("0.0.0.0", "127.0.0.1")

    def call(self, seconds: float, timeout: float = 30, **headers: str) -> httpx.Response:
        return httpx.post(
            f"{self.url}/api/function_invocations",
            headers={"x-nuclio-function-name": "sleepy", **headers},
            content=str(seconds),
            timeout=timeout,
        )

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self._reader.join(timeout=30)
        return code


@pytest.fixture
def start(write_function: Callable[..., Path]) -> Iterator[Callable[..., Server]]:
    servers = []

    def begin(host: str = "127.0.0.1", *arguments: str, main: str = SLEEPY, **environment: str) -> Server:
        directory = write_function("sleepy", main)
        servers.append(Server(directory.parents[1], host, *arguments, **environment))
        return servers[-1]

    yield begin
    for server in servers:
        server.process.kill()
        server.process.wait()


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
def test_signal_finishes_what_is_in_flight_and_ends_the_workers(start, number):
    server = start()
    pid = int(server.call(0).text)
    thread, results = in_background(lambda: server.call(1))
    time.sleep(0.4)
    code = server.end(number)
    thread.join()

    assert code == 0
    assert [result.status_code for result in results] == [200]
    assert not alive(pid)
    with pytest.raises(httpx.ConnectError):
        server.call(0)


@pytest.mark.slow
def test_second_signal_does_not_wait(start):
    server = start()
    pid = int(server.call(0).text)
    thread, results = in_background(lambda: server.call(25))
    time.sleep(0.4)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.4)
    code = server.end()
    thread.join()

    assert code == 0
    assert [result.status_code for result in results] == [503]
    assert not alive(pid)


@pytest.mark.slow
@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_when_the_server_is_killed(start, busy):
    server = start()
    pid = int(server.call(0).text)
    if busy:
        in_background(lambda: server.call(25))
        time.sleep(0.4)
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

    assert re.fullmatch(r"Serving 1 functions of /\S+ on http://127\.0\.0\.1:\d+ \(Ctrl-C stops\)\.\n", local.greeting)
    sentence = (
        "0.0.0.0: other machines can reach this server, and it has no login: whoever reaches the port can use "
        "the functions. Let a firewall admit CVAT only, or set a token (--token-file)."
    )
    assert sentence in "".join(wide.log)
    assert "no login" not in "".join(local.log)
    assert "Traceback" not in "".join(local.log + wide.log)


@pytest.mark.parametrize(
    ("name", "port", "workers", "sentence"),
    [
        ("none", 8070, None, "{folder}: no such folder; expected one with function directories "
         "(NAME/nuclio/function.yaml). Build a function first with `preannotate build`."),
        ("", 70000, None, "--port: 70000; expected a number from 0 to 65535. Choose another."),
        ("", 8070, 0, "--workers: 0; expected a number from 1 on. Choose another."),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_sentence_and_code_2(tmp_path, capsys, name, port, workers, sentence):
    folder = tmp_path / name
    assert run(folder, "127.0.0.1", port, workers) == 2
    assert capsys.readouterr().err == f"error: {sentence.format(folder=folder)}\n"
