"""A socket with an ASGI app behind it, and how long a client may keep a connection open without sending or reading.

uvicorn limits the size of a request's head, but waits for ever for the rest of it, and reads without end what a
client sends after it was refused. Behind a few hundred such clients nobody else would be answered. The other way
round, it hangs up on a client that is to be refused and still sends, and the client never reads why.
"""

import asyncio
import contextlib
import functools
import ipaddress
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from preannotate.serving.errors import ServeError
from preannotate.serving.pool import DRAIN_SECONDS

# The last resort when a connection does not end; longer than workers may take to.
_CLOSE_SECONDS = int(DRAIN_SECONDS) + 2
# A client that vanished, or that does not read its answer, is given up after so long without an acknowledgement.
_UNREAD_MILLISECONDS = 60_000
# Longer than the 60 s that common proxies keep an idle connection: it is theirs to close, or a request gets lost.
KEEP_ALIVE_SECONDS = 75
HEAD_SECONDS = 20.0
# After an early answer (413, 401) a client may go on sending what it meant to send, for it cannot listen before.
REST_SECONDS = 60.0
# Open at once, on all ports; each takes a file descriptor, of which many systems grant a process 1024.
MAX_CONNECTIONS = 400
_FULL = b'{"error": "too many connections; expected fewer. Try again later."}'
_FULL_RESPONSE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_FULL), _FULL)
)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass
class ConnectionLimiter:
    """Counts open connections, on all ports together.

    Attributes:
        limit: How many may be open at once.
        head_seconds: How long the head of a request may take.
        rest_seconds: How long a client may go on sending after it got its answer.
        open: How many are open.
    """

    limit: int = MAX_CONNECTIONS
    head_seconds: float = HEAD_SECONDS
    rest_seconds: float = REST_SECONDS
    open: int = 0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the servers: there are several."""
        yield


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


class Connection(H11Protocol):
    """uvicorn's connection with a limit to each kind of waiting for the client."""

    def __init__(self, limiter: ConnectionLimiter, **options: Any) -> None:
        """Prepare a connection; `options` are uvicorn's."""
        super().__init__(**options)
        self._limiter = limiter
        self._admitted = False
        self._lingers = False
        self._waiting_for = ""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        transport = cast(asyncio.Transport, transport)
        super().connection_made(cast(asyncio.Transport, _Transport(transport, self._close)))
        if self._limiter.open >= self._limiter.limit:
            transport.write(_FULL_RESPONSE)
            transport.close()
            return
        self._limiter.open += 1
        self._admitted = True
        self._set_timer("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Free its place."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._set_timer("")
        if self._admitted:
            self._admitted = False
            self._limiter.open -= 1

    def data_received(self, data: bytes) -> None:
        """Read what the client sent."""
        if self._lingers:
            return
        super().data_received(data)
        self._set_timer(self._what_is_missing())

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one."""
        super().on_response_complete()
        self._set_timer(self._what_is_missing())

    def _what_is_missing(self) -> str:
        """Return the part of a request to wait for: "head", "rest", or "" (nothing, or a body that is being read)."""
        if self._lingers:
            return "rest"
        if self.transport.is_closing():
            return ""
        if self.conn.their_state is h11.IDLE:
            # Between two requests uvicorn's own timer runs, until the next one begins.
            return "head" if self.timeout_keep_alive_task is None else ""
        return "rest" if self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE else ""

    def _close(self, transport: asyncio.Transport) -> None:
        """Close, but not while the client still sends: it would get an error in place of its answer."""
        if self._lingers or transport.is_closing() or self.conn.their_state not in (h11.SEND_BODY, h11.ERROR):
            transport.close()
            return
        self._lingers = True
        with contextlib.suppress(OSError):  # it hung up in the same moment
            transport.write_eof()  # now it may hang up; until it does, what comes is thrown away
        self.flow.resume_reading()
        self._set_timer("rest")

    def _set_timer(self, what: str) -> None:
        if what == self._waiting_for:
            return  # a drop now and then must not put it off
        if self._timer is not None:
            self._timer.cancel()
        self._waiting_for, self._timer = what, None
        if what:
            seconds = self._limiter.head_seconds if what == "head" else self._limiter.rest_seconds
            self._timer = self.loop.call_later(seconds, self.transport.abort)


class _Transport:
    """asyncio's transport, but for its `close`."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[asyncio.Transport], None]) -> None:
        self._transport = transport
        self._close = close
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        self._closed = True
        self._close(self._transport)

    def is_closing(self) -> bool:
        return self._closed or self._transport.is_closing()
