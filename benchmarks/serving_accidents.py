"""Requests that no honest client sends, and workers that are killed, against a real `preannotate serve`.

    python benchmarks/serving_accidents.py functions/NAME [--requests 10000] [--kills 100] [--seed 1]

First the requests, four at a time, a third of them good: counted are those without an answer, those with a status of
500 or more, and good ones whose answer differs from the first. Then the kills (SIGKILL), every second one while a
worker starts, with two clients that ask all the while: counted are requests without an answer, those answered with
something else than 200, and the workers that run in the end.
"""

import argparse
import base64
import contextlib
import http.client
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import stages
from results import describe_machine

SIZE = (640, 480)
SECONDS = 150.0
THREADS = 4
# "100 Continue" is no answer yet.
_STATUS = re.compile(rb"HTTP/1\.[01] (?!100)(\d{3}) ")
Maker = Callable[[random.Random], bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("function", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with Server(options.function) as server:
        body = json.dumps({"image": base64.b64encode(stages.jpeg(None, SIZE)).decode("ascii")}).encode("ascii")
        figures = {
            "requests": attack(server, body, options.requests, random.Random(options.seed)),
            "kills": kill_workers(server, body, options.kills, random.Random(options.seed)),
            "machine": describe_machine(),
        }
    print(json.dumps(figures, indent=1))


class Server:
    """A running `preannotate serve` of one function."""

    def __init__(self, function: Path) -> None:
        command = [sys.executable, "-m", "preannotate", "serve", str(function), "--port", "0"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(re.search(r":(\d+) ", self._process.stdout.readline())[1])
        self.name = next(iter(self.health()["functions"]))
        self.wait_until_whole()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def health(self) -> dict:
        """What /healthz says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request("GET", "/healthz")
        return json.load(connection.getresponse())

    def wait_until_whole(self) -> bool:
        """Wait until all workers run, and return whether they do."""
        for _ in range(600):
            if self.health()["status"] == "ok":
                return True
            time.sleep(0.1)
        return False

    def workers(self) -> dict[int, psutil.Process]:
        """Processes of workers by their id, also of those that are starting."""
        return {child.pid: child for child in psutil.Process(self._process.pid).children()}

    def send(self, data: bytes) -> bytes:
        """Send bytes as they are; returns what comes until the server hangs up."""
        answer = b""
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.port)) as client:
            client.settimeout(SECONDS)
            with contextlib.suppress(ConnectionError):
                client.sendall(data)
            while piece := client.recv(65536):
                answer += piece
        return answer


@dataclass(frozen=True)
class Kinds:
    """Makers of requests by kind; each request ends its connection, or is one that the server ends."""

    name: str
    body: bytes

    def call(self, body: bytes, *headers: str, kind: str = "application/json", length: bool = True) -> bytes:
        """A call of the function; `length` is whether its length is announced."""
        lines = [
            "POST /api/function_invocations HTTP/1.1",
            "Host: a",
            "Connection: close",
            f"x-nuclio-function-name: {self.name}",
            f"Content-Type: {kind}",
            *headers,
            *([f"Content-Length: {len(body)}"] if length else []),
        ]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

    def good(self) -> bytes:
        """A call that is answered with 200."""
        return self.call(self.body)

    def hostile(self) -> dict[str, Maker]:
        """Makers of what should never get a status of 500 or more."""
        image = base64.b64decode(json.loads(self.body)["image"])
        call = self.call

        def with_image(data: bytes, **more: object) -> bytes:
            return call(json.dumps({"image": base64.b64encode(data).decode("ascii"), **more}).encode())

        def mutated(chance: random.Random) -> bytes:
            data = bytearray(image)
            for _ in range(chance.randint(1, 40)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            return with_image(bytes(data[: chance.randint(1, len(data))]))

        def lines(text: str) -> Maker:
            return lambda _: text.encode("latin-1")

        chunks = "Transfer-Encoding: chunked"
        return {
            "mutated image": mutated,
            "mutated JSON": lambda chance: call(_mutated(self.body[:2000], chance)),
            "rubbish": lambda chance: call(chance.randbytes(chance.randint(0, 3000))),
            "rubbish as image": lambda chance: with_image(chance.randbytes(chance.randint(0, 3000))),
            "rubbish in place of HTTP": lambda chance: b"\x00" + chance.randbytes(500) + b"\r\n\r\n",
            "no image": lambda _: call(b"{}"),
            "image of another type": lambda chance: call(
                json.dumps({"image": chance.choice([1, None, [], {}])}).encode()
            ),
            "deep JSON": lambda chance: call(b"[" * chance.randint(1, 100_000)),
            "threshold": lambda chance: with_image(image, threshold=chance.choice([-1, 2, "x", [], 1e400, True])),
            "empty": lambda _: call(b""),
            "form": lambda _: call(b"a=b", kind="application/x-www-form-urlencoded"),
            "unknown function": lambda _: call(b"{}").replace(self.name.encode(), b"nobody"),
            "no function": lambda _: call(b"{}").replace(b"x-nuclio-function-name", b"x-other"),
            "function out of the tree": lambda _: call(b"{}").replace(self.name.encode(), b"../../etc/passwd"),
            "GET": lambda _: call(b"{}").replace(b"POST", b"GET", 1),
            "method": lambda chance: call(b"{}").replace(b"POST", chance.choice([b"BREW", b"TRACE", b"post"]), 1),
            "length and chunks": lambda _: call(b"0\r\n\r\n", chunks),
            "two lengths": lambda _: call(b"{}", "Content-Length: 2"),
            "length": lambda chance: call(
                b"{}", f"Content-Length: {chance.choice(['-1', '+2', '2e1', 'x', ''])}", length=False
            ),
            "announced too large": lambda _: call(b"", "Content-Length: 99999999999", length=False),
            "chunks": lambda _: call(b"2\r\n{}\r\n0\r\n\r\n", chunks, length=False),
            "chunk extension": lambda _: call(b"2;a=b\r\n{}\r\n0\r\n\r\n", chunks, length=False),
            "chunk of no size": lambda _: call(b"xyz\r\n{}\r\n0\r\n\r\n", chunks, length=False),
            "encoding": lambda _: call(b"x", "Transfer-Encoding: gzip", length=False),
            "folded header": lambda _: call(b"{}", "X-A: b\r\n c"),
            "bare LF": lambda _: call(b"{}", "X-A: b\nX-B: c"),
            "zero byte": lambda _: call(b"{}", "X-A: b\0c"),
            "control characters": lambda _: call(b"{}", "X-A: \x1b[2J\x07"),
            "many headers": lambda chance: call(b"{}", *[f"X-{n}: a" for n in range(chance.choice([500, 5000]))]),
            "long header": lambda chance: call(b"{}", "X-A: " + "a" * chance.choice([10_000, 300_000])),
            "two hosts": lambda _: call(b"{}", "Host: b"),
            "host": lambda _: call(b"{}").replace(b"Host: a", b"Host: [::]]:99999/\\"),
            "path": lines("GET /api/functions/..%2f..%2fetc%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            "long path": lines(f"GET /{'a' * 200_000} HTTP/1.1\r\nHost: a\r\n\r\n"),
            "whole address": lines("GET http://evil/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            "CONNECT": lines("CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\nConnection: close\r\n\r\n"),
            "HTTP/0.9": lines("GET /api/functions\r\n\r\n"),
            "HTTP/2": lines("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            "TLS": lambda chance: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(500),
            "websocket": lambda _: call(b"{}", "Upgrade: websocket").replace(b"close", b"upgrade, close", 1),
            "expectation": lambda chance: call(b"{}", f"Expect: {chance.choice(['100-continue', 'wonders'])}"),
            "time": lambda chance: call(
                b"{}", f"X-Nuclio-Invoke-Timeout: {chance.choice(['-5s', 'soon', '9' * 400 + 'h'])}"
            ),
        }


def attack(server: Server, body: bytes, count: int, chance: random.Random) -> dict:
    kinds = Kinds(server.name, body)
    hostile = kinds.hostile()
    expected = server.send(kinds.good()).partition(b"\r\n\r\n")[2]
    statuses: Counter[str] = Counter()
    unanswered, failed = Counter[str](), Counter[str]()
    differing = 0
    jobs = []
    for _ in range(count):
        kind = "good" if chance.random() < 1 / 3 else chance.choice(list(hostile))
        jobs.append((kind, kinds.good() if kind == "good" else hostile[kind](chance)))
    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        for (kind, _), answer in zip(jobs, threads.map(lambda job: server.send(job[1]), jobs), strict=True):
            found = _STATUS.search(answer)
            status = int(found[1]) if found else 0
            statuses[str(status)] += 1
            unanswered[kind] += not status
            failed[kind] += status >= 500
            differing += kind == "good" and answer.partition(b"\r\n\r\n")[2] != expected
    return {
        "sent": count,
        "kinds": len(hostile) + 1,
        "unanswered": dict(+unanswered),
        "status 500 or more": dict(+failed),
        "good ones with another answer": differing,
        "statuses": dict(sorted(statuses.items())),
        "seconds": round(time.perf_counter() - started, 1),
        "health": server.health()["status"],
    }


def kill_workers(server: Server, body: bytes, count: int, chance: random.Random) -> dict:
    over = threading.Event()
    statuses: Counter[str] = Counter()
    good = Kinds(server.name, body).good()

    def ask() -> None:
        while not over.is_set():
            found = _STATUS.search(server.send(good))
            statuses[found[1].decode() if found else "none"] += 1

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    known = set(server.workers())
    kills = {"while they ran": 0, "while they started": 0}
    started, back = time.perf_counter(), True
    while sum(kills.values()) < count and back:
        back = server.wait_until_whole()
        running = server.workers()
        known |= set(running)
        chance.choice(list(running.values())).kill()
        kills["while they ran"] += 1
        if sum(kills.values()) == count:
            break
        while not (new := {pid: child for pid, child in server.workers().items() if pid not in known}):
            time.sleep(0.005)
        time.sleep(chance.choice([0, 0.02, 0.1, 0.2]))
        for pid, child in new.items():
            known.add(pid)
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
                kills["while they started"] += 1
    back = server.wait_until_whole()
    over.set()
    for client in clients:
        client.join()
    health = server.health()
    (function,) = health["functions"].values()
    return {
        "kills": kills,
        "all workers back": back and function["workers"] == function["workers_asked"],
        "answers": dict(sorted(statuses.items())),
        "unanswered": statuses["none"],
        "seconds": round(time.perf_counter() - started, 1),
        "health": health["status"],
    }


def _mutated(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.randint(1, 10)):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


if __name__ == "__main__":
    main()
