"""A web server on loopback that sends exactly the bytes that a test gives it, and remembers what it received."""

import contextlib
import json
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[[], Iterable[bytes]]


@dataclass
class HostileServer:
    """Path to what is answered there, without its query; other paths are 404.

    Attributes:
        received: Method and path, headers with the names in lower case, and body of each request.
    """

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    received: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def json(self, path: str, content: Any, *headers: str) -> None:
        """Answer a path with JSON."""
        body = json.dumps(content).encode()
        self.answers[path] = lambda: [head(200, f"Content-Length: {len(body)}", *headers), body]

    def redirect(self, path: str, target: str, status: int = 307) -> None:
        """Redirect a path."""
        self.answers[path] = lambda: [head(status, f"Location: {target}", "Content-Length: 0")]

    def drip(self, start: bytes, piece: bytes, seconds: float = 0.02) -> Iterator[bytes]:
        """Send something, then the same again and again, until the server is closed."""
        yield start
        while not self.closing.wait(seconds):
            yield piece


def head(status: int, *headers: str) -> bytes:
    """The first lines of an answer after which the connection is closed."""
    return "\r\n".join([f"HTTP/1.1 {status} Whatever", *headers, "Connection: close", "", ""]).encode()


@contextlib.contextmanager
def hostile_server() -> Iterator[HostileServer]:
    """Start one on a free port."""
    found = HostileServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            method, path, _ = self.rfile.readline().decode().split(" ")
            headers = {}
            while (line := self.rfile.readline().decode().strip()) != "":
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", 0)))
            found.received.append((f"{method} {path}", headers, body))
            answer = found.answers.get(path.partition("?")[0], lambda: [head(404, "Content-Length: 0")])
            with contextlib.suppress(OSError):  # whoever asked has gone
                for part in answer():
                    self.wfile.write(part)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        found.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
