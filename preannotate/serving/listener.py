"""A socket with an ASGI app behind it."""

import asyncio
import contextlib
import functools
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from preannotate.serving.connection import Connection
from preannotate.serving.connection_limiter import ConnectionLimiter
from preannotate.serving.errors import ServeError
from preannotate.serving.pool import DRAIN_SECONDS

# The last resort when a connection does not end; longer than workers may take to.
_CLOSE_SECONDS = int(DRAIN_SECONDS) + 2
# A client that vanished, or that does not read its answer, is given up after so long without an acknowledgement.
_UNREAD_MILLISECONDS = 60_000
# Longer than the 60 s that common proxies keep an idle connection: it is theirs to close, or a request gets lost.
KEEP_ALIVE_SECONDS = 75
_TICK_SECONDS = 1.0
# So many may wait to be accepted; all are in one go, and have a file descriptor before they are counted.
_BACKLOG = 256


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.closing = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the servers: there are several."""
        yield

    async def main_loop(self) -> None:
        """Set the header with the date every second; uvicorn looks ten times as often, for each port."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), _TICK_SECONDS)


class Listener:
    """An ASGI app on one port."""

    def __init__(self, app: ASGIApp, host: str, port: int, limiter: ConnectionLimiter | None = None) -> None:
        """Bind the port (0 for a free one) and serve the app.

        `limiter` counts the connections of several listeners together; None counts this one's alone.

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
                backlog=_BACKLOG,
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
        self._server.closing.set()
        await self._task

    def abort(self) -> None:
        """Cut the connections that `close` still waits for."""
        self._server.force_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


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
