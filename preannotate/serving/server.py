"""The whole server: registry, dashboard and the functions' ports, from start to a graceful stop."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preannotate.core.text import plural
from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.connection_limiter import ConnectionLimiter
from preannotate.serving.endpoints import dashboard_app, function_app
from preannotate.serving.errors import ServeError
from preannotate.serving.function_config import CPU_FILE, GPU_FILE
from preannotate.serving.listener import Listener, is_loopback
from preannotate.serving.pool import DRAIN_SECONDS
from preannotate.serving.registry import FunctionRegistry, ServedFunction

# What a client may take to read the answer that it gets when its worker is cut off.
_LAST_WORDS_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


async def serve_folder(
    folder: Path, host: str, port: int, workers: int | None = None, gpus: Sequence[str] = (), token: str | None = None
) -> None:
    """Serve the functions of a folder until SIGTERM or Ctrl-C; a second one does not wait for what is in flight.

    Arguments as in `command.run_server`; a token of None lets everybody in.

    Raises:
        ServeError: The port cannot be opened.
    """
    stop, force_stop = _signals()
    file_name = GPU_FILE if gpus else CPU_FILE
    body_budget, limiter = BodyBudget(), ConnectionLimiter()
    ports = FunctionPorts(host, body_budget, limiter, token)
    registry = FunctionRegistry(
        folder, opened=ports.open_port, closing=ports.close_port, workers=workers, file_name=file_name, gpus=gpus
    )
    listener = Listener(dashboard_app(registry, body_budget, token), host, port, limiter)
    try:
        await registry.scan(at_rest=True)
        shown, count = f"[{host}]" if ":" in host else host, len(registry.functions)
        where = f"http://{shown}:{listener.port}"
        print(f"Serving {plural(count, 'function')} of {folder} on {where} (Ctrl-C stops).", flush=True)
        if gpus:
            _LOG.info("GPU variants (%s), a worker of each function for each GPU: %s.", file_name, ", ".join(gpus))
        if not count:
            _LOG.warning("%s: no functions yet; NAME/nuclio/%s is served once it is there.", folder, file_name)
        _report_access(host, token)
        watch = asyncio.create_task(registry.watch())
        await stop.wait()
        watch.cancel()
        _LOG.info("Stopping: requests in flight may take %g s to finish.", DRAIN_SECONDS)
    finally:
        closing = asyncio.gather(listener.close(), ports.close())
        forced = asyncio.create_task(force_stop.wait())
        either: list[asyncio.Future[Any]] = [closing, forced]
        await asyncio.wait(either, timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        forced.cancel()
        # Requests that still run lose their worker; their clients get an error.
        await registry.stop(drain_seconds=0)
        await asyncio.wait([closing], timeout=_LAST_WORDS_SECONDS)
        listener.abort()
        ports.abort()
        await closing


def _report_access(host: str, token: str | None) -> None:
    if is_loopback(host):
        return
    if token is None:
        _LOG.warning(
            "%s: other machines can reach this server, and it has no login: whoever reaches the port can use "
            "the functions. Let a firewall admit CVAT only, or set a token (--token-file).",
            host,
        )
    else:
        _LOG.info("%s: other machines can reach this server; they need its token, which travels unencrypted.", host)


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return two events: the first SIGTERM or Ctrl-C sets one, the next the other."""
    stop, force_stop = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: (force_stop if stop.is_set() else stop).set())
    return stop, force_stop


class FunctionPorts:
    """A port for each function: the one that its file names if it is free, else any."""

    def __init__(self, host: str, body_budget: BodyBudget, limiter: ConnectionLimiter, token: str | None) -> None:
        """Prepare to open ports on `host`; arguments as in `serve_folder`, `function_app` and `Listener`."""
        self._host = host
        self._body_budget = body_budget
        self._limiter = limiter
        self._token = token
        # By function name, with the port that its file names.
        self._open: dict[str, tuple[int | None, Listener]] = {}
        self._closing: dict[asyncio.Task[None], Listener] = {}

    async def open_port(self, function: ServedFunction) -> None:
        """Open a port, or keep it if the file names the same as before."""
        wanted, name = function.wanted_port, function.name
        if name in self._open and self._open[name][0] == wanted:
            function.port = self._open[name][1].port
            return
        await self.close_port(function)
        app = function_app(function, self._body_budget, self._token)
        try:
            listener = Listener(app, self._host, wanted or 0, self._limiter)
        except ServeError:
            _LOG.warning("%s: port %s is in use; direct calls get a free one.", name, wanted)
            listener = Listener(app, self._host, 0, self._limiter)
        self._open[name] = (wanted, listener)
        function.port = listener.port
        _LOG.info("%s: direct calls on port %d.", name, listener.port)

    async def close_port(self, function: ServedFunction) -> None:
        """Close the function's port; calls in flight are answered meanwhile."""
        function.port = None
        if function.name in self._open:
            _, listener = self._open.pop(function.name)
            task = asyncio.create_task(listener.close())
            self._closing[task] = listener
            task.add_done_callback(self._closing.pop)

    async def close(self) -> None:
        """Close all ports; return when the calls in flight are answered."""
        await asyncio.gather(*(listener.close() for _, listener in self._open.values()), *self._closing)

    def abort(self) -> None:
        """Cut the connections that `close` still waits for."""
        for listener in [*(listener for _, listener in self._open.values()), *self._closing.values()]:
            listener.abort()
