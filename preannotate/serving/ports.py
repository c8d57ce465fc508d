"""Sockets with an ASGI app behind them: the dashboard's, and one for each function."""

import asyncio
import contextlib
import functools
import ipaddress
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from preannotate.serving.access import TokenGuard
from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.connection import KEEP_ALIVE_SECONDS, Connection, ConnectionLimiter
from preannotate.serving.errors import ServeError
from preannotate.serving.invocation import HEALTH, invoke_directly
from preannotate.serving.pool import DRAIN_SECONDS
from preannotate.serving.served_function import ServedFunction

# The last resort when a connection does not end; longer than workers may take to.
_CLOSE_SECONDS = int(DRAIN_SECONDS) + 2
# A client that vanished, or that does not read its answer, is given up after so long without an acknowledgement.
_UNREAD_MILLISECONDS = 60_000
_LOG = logging.getLogger(__name__)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the servers: there are several."""
        yield


class Listener:
    """An ASGI app on one port."""

    def __init__(self, app: ASGIApp, host: str, port: int, limiter: ConnectionLimiter | None = None) -> None:
        """Bind the port and serve the app.

        Args:
            app: Answers.
            host: Address or name of this machine.
            port: 0 takes a free one.
            limiter: Counts the connections of several listeners.

        Raises:
            ServeError: The address cannot be bound.
        """
        self._socket = bind_socket(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                app,
                http=cast(Any, functools.partial(Connection, limiter or ConnectionLimiter())),
                lifespan="off",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_CLOSE_SECONDS,
            )
        )
        self._task = asyncio.create_task(self._server.serve([self._socket]))

    async def close(self) -> None:
        """Accept no more connections; return when requests in flight are answered."""
        self._server.should_exit = True
        await self._task

    def abort(self) -> None:
        """Cut the connections that `close` still waits for."""
        self._server.force_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


class FunctionPorts:
    """One port for each function: the one its file asks for if it is free, else any."""

    def __init__(
        self, host: str, body_budget: BodyBudget, limiter: ConnectionLimiter | None = None, token: str | None = None
    ) -> None:
        """Open all ports on `host`; with a `token`, only clients that send it are answered there."""
        self._host = host
        self._body_budget = body_budget
        self._limiter = limiter or ConnectionLimiter()
        self._token = token
        self._open: dict[str, _OpenPort] = {}
        self._closing: dict[asyncio.Task[None], Listener] = {}

    async def open_port(self, function: ServedFunction) -> None:
        """Open a port, or keep it if the function asks for the same as before."""
        wanted = function.wanted_port
        found = self._open.get(function.name)
        if found is not None and found.wanted == wanted:
            function.port = found.listener.port
            return
        await self.close_port(function)
        app = _direct_app(function, self._body_budget)
        if self._token is not None:
            app = TokenGuard(app, self._token, open_paths=(HEALTH,))
        try:
            listener = Listener(app, self._host, wanted or 0, self._limiter)
        except ServeError:
            _LOG.warning("%s: port %s is in use; direct calls get a free one.", function.name, wanted)
            listener = Listener(app, self._host, 0, self._limiter)
        self._open[function.name] = _OpenPort(wanted, listener)
        function.port = listener.port
        _LOG.info("%s: direct calls on port %d.", function.name, listener.port)

    async def close_port(self, function: ServedFunction) -> None:
        """Close the function's port; calls in flight are answered meanwhile."""
        found = self._open.pop(function.name, None)
        function.port = None
        if found is not None:
            task = asyncio.create_task(found.listener.close())
            self._closing[task] = found.listener
            task.add_done_callback(self._closing.pop)

    async def close(self) -> None:
        """Close all ports; return when the calls in flight are answered."""
        await asyncio.gather(*(found.listener.close() for found in self._open.values()), *self._closing)

    def abort(self) -> None:
        """Cut the connections that `close` still waits for."""
        for listener in [*(found.listener for found in self._open.values()), *self._closing.values()]:
            listener.abort()


@dataclass(frozen=True)
class _OpenPort:
    wanted: int | None
    listener: Listener


def _direct_app(function: ServedFunction, body_budget: BodyBudget) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await invoke_directly(function, Request(scope, receive), body_budget)
        await response(scope, receive, send)

    return app


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket for `Listener`; port 0 means any free one.

    Raises:
        ServeError: The address cannot be bound.
    """
    opened = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        # asyncio sends at once (TCP_NODELAY) only where the protocol is named; each second answer on a connection
        # would else wait 40 ms for the client's acknowledgement.
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
        opened.bind(address)
        opened.listen()  # from now on a connection waits for the server instead of failing
        return opened
    except OSError as error:
        if opened is not None:
            opened.close()
        raise ServeError(
            f"{host}:{port}: {error.strerror}; expected a free port of this machine. "
            f"Stop what uses it, or choose another with --host and --port."
        ) from error
