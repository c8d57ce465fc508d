"""How long a client may keep a connection open without sending or reading, and what counts as a request.

uvicorn limits the size of a request's head, but waits for ever for the rest of it, and reads without end what a
client sends after it was refused. Behind a few hundred such clients nobody else would be answered. The other way
round, it hangs up on a client that is to be refused and still sends, and the client never reads why.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, cast

import h11
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

from preannotate.serving.connection_limiter import ConnectionLimiter
from preannotate.serving.strict_http import StrictConnection

# Of a head that has not come to its end.
_HEAD_BYTES = 16 * 1024
_FULL = b'{"error": "too many connections; expected fewer. Try again later."}'
_FULL_RESPONSE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_FULL), _FULL)
)


class Connection(H11Protocol):
    """uvicorn's connection with a limit to each kind of waiting for the client, and a strict reading of its requests.

    Attributes:
        idle_since: When it began to wait for a request; None while it has one.
    """

    def __init__(self, limiter: ConnectionLimiter, **options: Any) -> None:
        """Prepare a connection; `options` are uvicorn's."""
        super().__init__(**options)
        self.idle_since: float | None = None
        self.conn = StrictConnection(_HEAD_BYTES)
        self._limiter = limiter
        self._unread: asyncio.TimerHandle | None = None
        self._lingers = self._lost = self._half_closed = False
        self.app = self._with_disconnect(self.app)
        self._waiting_for = ""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        transport = cast(asyncio.Transport, transport)
        super().connection_made(cast(asyncio.Transport, _Transport(transport, self._close)))
        self.flow = _Flow(self.transport)
        if not self._limiter.admit(self, transport.get_extra_info("peername")):
            transport.write(_FULL_RESPONSE)
            transport.close()
            return
        self.idle_since = time.monotonic()
        self._set_timer("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Free its place."""
        self._lost = True
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._set_timer("")
        self.resume_writing()
        self._limiter.release(self)

    def data_received(self, data: bytes) -> None:
        """Read what the client sent."""
        if self._lingers:
            return
        super().data_received(data)
        self._wait()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one."""
        super().on_response_complete()
        self._wait()

        if self._half_closed and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a request that is here whole, though its client sends no more, and may have gone."""
        cast(Any, self.transport).flush()
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering or self.conn.their_state not in (h11.DONE, h11.MUST_CLOSE):
            return False
        self._half_closed = True
        self.cycle.message_event.set()
        return True

    def _with_disconnect(self, app: Any) -> Any:
        """Return an app that receives `http.disconnect` once the client sends no more, and may answer all the same.

        A request that waits for a worker then gets none: most such clients have gone.
        """

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            ended = False

            async def receive_until_end() -> Message:
                nonlocal ended
                message = await receive()
                if ended and self._half_closed:
                    return {"type": "http.disconnect"}
                ended = ended or not message.get("more_body", False)
                return message

            await app(scope, receive_until_end, send)

        return wrapped

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; if an answer has begun, it cannot end."""
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Wait for the client to read, but not for ever."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self._limiter.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Send on."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def evict(self) -> None:
        """Close it, now."""
        self.transport.abort()

    def _wait(self) -> None:
        self._set_timer(self._what_is_missing())
        cast(Any, self.transport).flush()
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self.idle_since = None
        elif self.idle_since is None:
            self.idle_since = time.monotonic()

    def _what_is_missing(self) -> str:
        """Return the part of a request to wait for: "head", "rest", or "" (nothing, or a body that is being read)."""
        if self._lingers:
            return "rest"
        if self._lost:
            return ""
        if self.transport.is_closing():
            return "rest"  # the client reads the last bytes as slowly as it likes, but no longer
        if self.conn.their_state is h11.IDLE:
            # Between two requests uvicorn's own timer runs, until the next one begins.
            return "head" if self.timeout_keep_alive_task is None else ""
        return "rest" if self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE else ""

    def _close(self, transport: asyncio.Transport) -> None:
        """Close, but not while the client still sends: it would get an error in place of its answer."""
        if self._lingers or transport.is_closing() or self.conn.their_state not in (h11.SEND_BODY, h11.ERROR):
            transport.close()
            self._wait()
            return
        self._lingers = True
        with contextlib.suppress(OSError):  # it hung up in the same moment
            self.transport.write_eof()  # now it may hang up; until it does, what comes is thrown away
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


class _Flow(FlowControl):
    """Stops reading only when more comes that nobody took: mostly the app has taken it by then."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._full = False

    def pause_reading(self) -> None:
        if self._full:
            super().pause_reading()
        self._full = True

    def resume_reading(self) -> None:
        self._full = False
        super().resume_reading()


class _Transport:
    """asyncio's transport, but for its `close`, and for what is written in one go, which is sent in one piece."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[asyncio.Transport], None]) -> None:
        self._transport = transport
        self._close = close
        self._closed = False
        self._unsent: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not data:
            return
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self.flush)
        self._unsent.append(data)

    def write_eof(self) -> None:
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        self.flush()
        self._closed = True
        self._close(self._transport)

    def is_closing(self) -> bool:
        return self._closed or self._transport.is_closing()

    def flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent:
            self._transport.write(b"".join(unsent))
