"""A socket with an ASGI app behind it."""

import asyncio
import contextlib
import ipaddress
import socket

from starlette.types import ASGIApp

from preannotate.serving.connection import Connection
from preannotate.serving.connection_limiter import ConnectionLimiter
from preannotate.serving.errors import ServeError
from preannotate.serving.pool import DRAIN_SECONDS

# The last resort when a connection does not end; longer than workers may take to.
_CLOSE_SECONDS = DRAIN_SECONDS + 2
_POLL_SECONDS = 0.02
# Connections that wait to be accepted, and how many are accepted in one go.
_BACKLOG = 256
# A client that vanished, or that does not read its answer, is given up after so long without an acknowledgement.
_UNREAD_MILLISECONDS = 60_000


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Listener:
    """An ASGI app on one port."""

    def __init__(self, app: ASGIApp, host: str, port: int, limiter: ConnectionLimiter | None = None) -> None:
        """Bind the port (0 for a free one) and serve the app.

        `limiter` counts the connections of several listeners together; None counts this one's alone.

        Raises:
            ServeError: The address cannot be bound.
        """
        counted = limiter or ConnectionLimiter()
        opened = bind_socket(host, port)
        self.port: int = opened.getsockname()[1]
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = asyncio.create_task(
            asyncio.get_running_loop().create_server(
                lambda: Connection(app, counted, self._connections, self._tasks), sock=opened, backlog=_BACKLOG
            )
        )

    async def close(self) -> None:
        """Accept no more connections; return when requests in flight are answered."""
        (await self._server).close()
        for connection in list(self._connections):
            connection.shut_down()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._connections or self._tasks:
                    await asyncio.sleep(_POLL_SECONDS)
        self.abort()
        for task in self._tasks:
            task.cancel()

    def abort(self) -> None:
        """Cut the connections that `close` still waits for."""
        for connection in list(self._connections):
            connection.abort()


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
