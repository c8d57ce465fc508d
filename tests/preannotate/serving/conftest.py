"""Function directories of a few lines, without an engine, and a server around them."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.connection_limiter import ConnectionLimiter
from preannotate.serving.endpoints import dashboard_app
from preannotate.serving.listener import Listener
from preannotate.serving.registry import FunctionRegistry
from preannotate.serving.server import FunctionPorts

# Answers with what it was given and what it knows.
ECHO = """
import json
import os

def init_context(context):
    context.user_data.greeting = "ready"
    context.logger.info("init done")
    print("printed to stdout")

def handler(context, event):
    body = event.body.decode("utf-8", "replace") if isinstance(event.body, bytes) else event.body
    answer = {"type": type(event.body).__name__, "body": body, "greeting": context.user_data.greeting,
              "path": event.path, "method": event.method, "fields": event.fields, "pid": os.getpid(),
              "header": event.headers.get("X-Own-Header"), "env": os.environ.get("COLOUR"),
              "trigger": [event.trigger.kind, context.trigger_name], "worker": context.worker_id,
              "threads": os.environ.get("MODEL_THREADS")}
    return context.Response(body=json.dumps(answer), content_type="application/json")
"""

Serving = AbstractAsyncContextManager[tuple[FunctionRegistry, httpx.AsyncClient]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def function_yaml() -> dict[str, Any]:
    """A function.yaml as plain values; tests change what they are about."""
    return {
        "metadata": {
            "name": "echo",
            "annotations": {
                "name": "Echo",
                "type": "detector",
                "version": "1",
                "spec": json.dumps([{"id": 0, "name": "cat", "type": "rectangle", "attributes": []}]),
            },
        },
        "spec": {
            "description": "Answers what it is asked",
            "handler": "main:handler",
            "eventTimeout": "30s",
            "env": [],
            "triggers": {
                "myHttpTrigger": {
                    "kind": "http",
                    "numWorkers": 1,
                    "workerAvailabilityTimeoutMilliseconds": 5000,
                    "attributes": {"maxRequestBodySize": 100_000},
                }
            },
        },
    }


WriteFunction = Callable[..., Path]


@pytest.fixture
def write_function(tmp_path: Path, function_yaml: dict[str, Any]) -> WriteFunction:
    """Writes functions/NAME/nuclio and returns it; `change` edits the function.yaml."""

    def write(name: str = "echo", main: str = ECHO, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
        content = json.loads(json.dumps(function_yaml))
        content["metadata"]["name"] = name
        if change is not None:
            change(content)
        directory = tmp_path / "functions" / name / "nuclio"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "main.py").write_text(main, encoding="utf-8")
        (directory / "function.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return directory

    return write


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., Serving]:
    """Serves tmp_path/functions: the registry, started, and a client of the dashboard."""

    @asynccontextmanager
    async def serve(
        workers: int | None = None, **options: Any
    ) -> AsyncIterator[tuple[FunctionRegistry, httpx.AsyncClient]]:
        body_budget = BodyBudget()
        ports = FunctionPorts("127.0.0.1", body_budget, ConnectionLimiter(), None)
        registry = FunctionRegistry(
            tmp_path / "functions", workers=workers, opened=ports.open_port, closing=ports.close_port, **options
        )
        await registry.scan(at_rest=True)
        for function in registry.functions.values():
            await function.settled()
        transport = httpx.ASGITransport(app=dashboard_app(registry, body_budget))
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://dashboard", timeout=30) as client:
                yield registry, client
        finally:
            await registry.stop()
            await ports.close()

    return serve


@dataclass
class Live:
    """A server with real sockets in the test's own process."""

    registry: FunctionRegistry
    listener: Listener
    body_budget: BodyBudget
    limiter: ConnectionLimiter

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}"

    async def send(self, *pieces: bytes, port: int | None = None) -> bytes:
        """Write the pieces as they are; returns all that comes until the server hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.listener.port)
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        answer = bytearray()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                while piece := await reader.read(65536):
                    answer += piece
        writer.close()
        return bytes(answer)


@pytest.fixture
def live(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Live]]:
    """Serves tmp_path/functions on sockets."""

    @asynccontextmanager
    async def serve(
        body_budget: BodyBudget | None = None, limiter: ConnectionLimiter | None = None, token: str | None = None
    ) -> AsyncIterator[Live]:
        body_budget, limiter = body_budget or BodyBudget(), limiter or ConnectionLimiter()
        ports = FunctionPorts("127.0.0.1", body_budget, limiter, token)
        registry = FunctionRegistry(tmp_path / "functions", opened=ports.open_port, closing=ports.close_port)
        await registry.scan(at_rest=True)
        for function in registry.functions.values():
            await function.settled()
        listener = Listener(dashboard_app(registry, body_budget, token), "127.0.0.1", 0, limiter)
        try:
            yield Live(registry, listener, body_budget, limiter)
        finally:
            closing = asyncio.gather(listener.close(), ports.close())
            await registry.stop(drain_seconds=0)
            listener.abort()
            ports.abort()
            await closing

    return serve


RUN = """
import sys
from preannotate.cli.main import main
sys.exit(main(["serve", *sys.argv[1:]]))
"""


class Server:
    """`preannotate serve` in a process of its own, on a free port."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(folder), "--port", "0", *arguments],
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

    def call(self, body: object, name: str = "sleepy", timeout: float = 30, **headers: str) -> httpx.Response:
        return httpx.post(
            f"{self.url}/api/function_invocations",
            headers={"x-nuclio-function-name": name, **headers},
            content=str(body),
            timeout=timeout,
        )

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self._reader.join(timeout=30)
        return code


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """Starts servers, and ends those that a test leaves behind."""
    servers: list[Server] = []

    def begin(folder: Path, *arguments: str, **environment: str) -> Server:
        servers.append(Server(folder, *arguments, **environment))
        return servers[-1]

    yield begin
    for server in servers:
        server.process.kill()
        server.process.wait()
