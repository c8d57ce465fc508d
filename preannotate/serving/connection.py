"""An HTTP/1.1 connection with an ASGI app behind it, and a limit to each kind of waiting for the client.

The head of a request may take so long, its body as long as the app allows, and the answer is read within a time. A
client that is refused and still sends is listened to for a while: it would else never read why. What is not exactly
HTTP ends the connection with status 400 (see `request_head`).

Bodies are received where they are kept, and an answer is sent in one piece: a photo in base64 has megabytes.
"""

import asyncio
import contextlib
import enum
import functools
import http
import json
import logging
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import Any, cast

from starlette.types import ASGIApp, Message

from preannotate.serving.chunks import ChunkedBody
from preannotate.serving.connection_limiter import ConnectionLimiter
from preannotate.serving.request_head import END, MAX_BYTES, BadRequestError, RequestHead, check_beginning, parse

# Longer than the 60 s that common proxies keep an idle connection: it is theirs to close, or a request gets lost.
KEEP_ALIVE_SECONDS = 75
_BUFFER_BYTES = 256 * 1024
# Of a body that the app has not taken yet.
_MAX_QUEUED = 1024 * 1024
_NO_BODY = (204, 304)
_JSON = (b"content-type", b"application/json")
_PHRASES = {status.value: status.phrase.encode("ascii") for status in http.HTTPStatus}
_FULL = "too many connections; expected fewer. Try again later."
_LOG = logging.getLogger(__name__)


class _Phase(enum.Enum):
    """What comes from the client."""

    HEAD = enum.auto()
    BODY = enum.auto()
    NOTHING = enum.auto()  # the request is there, its answer is not
    REST = enum.auto()  # of a client that has its answer; thrown away


class Connection(asyncio.BufferedProtocol):
    """A connection.

    Attributes:
        idle_since: When it began to wait for a request; None while it has one.
    """

    def __init__(
        self, app: ASGIApp, limiter: ConnectionLimiter, opened: "set[Connection]", tasks: "set[asyncio.Task[None]]"
    ) -> None:
        """Prepare a connection, which enters itself and the tasks of its requests in these sets while they live."""
        self.idle_since: float | None = None
        self._app = app
        self._limiter = limiter
        self._opened, self._tasks = opened, tasks
        self._loop = asyncio.get_running_loop()
        self._transport = cast(asyncio.Transport, None)
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # of what was not read yet
        self._phase = _Phase.HEAD
        self._began = False  # the head
        self._left = 0
        self._chunks: ChunkedBody | None = None
        self._exchange: _Exchange | None = None
        self._keeps_alive = True
        self._waiting_for, self._timer = "", cast("asyncio.TimerHandle | None", None)
        self._reading = True
        self.writable = asyncio.Event()
        self.writable.set()
        self._unread: asyncio.TimerHandle | None = None

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._limiter.admit(self, transport.get_extra_info("peername")):
            self._refuse(503, _FULL, (b"retry-after", b"1"))
            self._transport.close()
            self._phase = _Phase.REST
            return
        self._opened.add(self)
        self.idle_since = self._loop.time()
        self._wait_for("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Free its place."""
        self._opened.discard(self)
        self._limiter.release(self)
        self._wait_for("")
        self.resume_writing()
        if self._exchange is not None:
            self._exchange.disconnect()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what comes next."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == len(self._buffer):
            rest = bytes(self._view[self._start : self._end])
            self._view[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Read what the client sent."""
        self._end += nbytes
        self._advance()

    def eof_received(self) -> bool:
        """Answer a request that is here whole, though its client sends no more and may have gone."""
        if self._exchange is None or self._phase is not _Phase.NOTHING:
            return False
        self._keeps_alive = False
        self._exchange.disconnect()
        return True

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        self.writable.clear()
        if self._unread is None:
            self._unread = self._loop.call_later(self._limiter.read_seconds, self._transport.abort)

    def resume_writing(self) -> None:
        """Send on."""
        self.writable.set()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    # Called by the limiter and the listener

    def evict(self) -> None:
        """Close it, now."""
        self._transport.abort()

    def shut_down(self) -> None:
        """Close it once its request is answered."""
        self._keeps_alive = False
        if self._exchange is None:
            self._transport.close()

    def abort(self) -> None:
        """Cut it."""
        self._transport.abort()

    # Called by the exchange

    def write(self, exchange: "_Exchange", data: bytes) -> None:
        """Send, unless the client has gone or had an answer already."""
        if exchange is self._exchange and data and not self._transport.is_closing():
            self._transport.write(data)

    def keep_alive_after(self, wanted: bool) -> bool:
        """Return whether another request may follow the answer that begins now."""
        whole = self._phase is not _Phase.BODY or self._chunks is None  # nobody reads on until the last chunk
        self._keeps_alive = self._keeps_alive and wanted and whole
        return self._keeps_alive

    def taken(self) -> None:
        """Read on: the app took what was there of the body."""
        self._read(True)

    def finish(self, exchange: "_Exchange", *, whole: bool) -> None:
        """Wait for the next request, or for the rest of this one, or close; cut an answer that is not whole."""
        if exchange is not self._exchange:
            return
        self._exchange = None
        self.idle_since = self._loop.time()
        if not whole:
            self._transport.abort()
        elif self._transport.is_closing():
            return
        elif not self._keeps_alive:
            self._close()
        elif self._phase is _Phase.BODY:
            self._wait_for("rest")
            self._read(True)
        else:
            self._phase = _Phase.HEAD
            self._wait_for("idle")
            self._read(True)
            self._advance()

    # Reading

    def _advance(self) -> None:
        try:
            while self._start < self._end and self._step():
                pass
        except BadRequestError as error:
            self._bad_request(str(error))
        if self._start < self._end and self._phase is _Phase.NOTHING:
            self._read(False)  # the next request waits for the answer to this one

    def _step(self) -> bool:
        """Read a part of a request; return whether more may follow in the buffer."""
        if self._phase is _Phase.HEAD:
            return self._read_head()
        if self._phase is _Phase.BODY:
            return self._read_body()
        if self._phase is _Phase.REST:
            self._start = self._end
        return False

    def _read_head(self) -> bool:
        if not self._began and self._buffer.startswith(b"\r\n", self._start, self._end):
            self._start += 2  # behind the body of the last request some clients send an empty line
        self._began = True
        self._wait_for("head")
        end = self._buffer.find(END, self._start, min(self._end, self._start + MAX_BYTES))
        if end < 0:
            check_beginning(self._buffer[self._start : min(self._end, self._start + MAX_BYTES)])
            if self._end - self._start >= MAX_BYTES:
                raise BadRequestError(f"the head has more than {MAX_BYTES} bytes; expected less")
            return False
        head = parse(bytes(self._view[self._start : end]))
        self._start, self._began = end + len(END), False
        self._keeps_alive = self._keeps_alive and head.keeps_alive
        self._left, self._chunks = head.length or 0, ChunkedBody() if head.length is None else None
        has_body = self._chunks is not None or self._left > 0
        self._phase = _Phase.BODY if has_body else _Phase.NOTHING
        self.idle_since = None
        self._wait_for("")
        self._exchange = _Exchange(self, head, self._scope(head), ended=not has_body)
        task = self._loop.create_task(self._exchange.run(self._app))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return has_body

    def _read_body(self) -> bool:
        data = self._view[self._start : self._end]
        if self._chunks is None:
            pieces = [bytes(data[: self._left])] if self._exchange is not None else []
            used = min(self._left, len(data))
            self._left -= used
            ended = not self._left
        else:
            used, pieces = self._chunks.take(data)
            ended = self._chunks.ended
        self._start += used
        if ended:
            self._phase = _Phase.NOTHING if self._exchange is not None else _Phase.HEAD
        if self._exchange is not None:
            if self._exchange.feed(pieces, ended=ended) > _MAX_QUEUED and not ended:
                self._read(False)
        elif ended:
            self._wait_for("idle")
        return ended

    def _bad_request(self, sentence: str) -> None:
        self._start = self._end
        self._keeps_alive = False
        if self._exchange is not None:  # the body went wrong: the app hears that the client has gone
            exchange, self._exchange = self._exchange, None
            exchange.disconnect()
            if exchange.started:
                self._transport.abort()
                return
        self.idle_since = self._loop.time()
        self._refuse(400, f"HTTP request: {sentence}.")
        self._phase = _Phase.BODY  # it may go on sending
        self._close()

    def _refuse(self, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
        body = json.dumps({"error": sentence}).encode("ascii")
        lines = [_JSON, *headers, (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        self._transport.write(_head(status, lines) + body)

    def _scope(self, head: RequestHead) -> dict[str, Any]:
        peer, own = (self._transport.get_extra_info(name) for name in ("peername", "sockname"))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": head.version,
            "server": (str(own[0]), int(own[1])) if isinstance(own, tuple) else None,
            "client": (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else None,
            "scheme": "http",
            "method": head.method,
            "root_path": "",
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query,
            "headers": head.headers,
            "state": {},
        }

    # Waiting and closing

    def _read(self, on: bool) -> None:
        if on is self._reading or self._transport.is_closing():
            return
        self._reading = on
        (self._transport.resume_reading if on else self._transport.pause_reading)()

    def _close(self) -> None:
        """Close, but not while the client still sends: it would get an error in place of its answer."""
        sends = self._phase is _Phase.BODY
        self._phase = _Phase.REST
        self._start = self._end
        self._wait_for("rest")
        if not sends:
            self._transport.close()
            return
        with contextlib.suppress(OSError, RuntimeError):  # it hung up in the same moment
            self._transport.write_eof()  # now it may hang up; until it does, what comes is thrown away
        self._read(True)

    def _wait_for(self, what: str) -> None:
        """Begin to wait for "head", "rest" or the next request ("idle"), or for nothing ("")."""
        if what == self._waiting_for:
            return  # a drop now and then must not put it off
        if self._timer is not None:
            self._timer.cancel()
        self._waiting_for, self._timer = what, None
        if what == "idle":
            self._timer = self._loop.call_later(KEEP_ALIVE_SECONDS, self._close)
        elif what:
            seconds = self._limiter.head_seconds if what == "head" else self._limiter.rest_seconds
            self._timer = self._loop.call_later(seconds, self._transport.abort)


class _Exchange:
    """One request and its answer, as the app sees them; `started` is whether the answer has begun."""

    def __init__(self, connection: Connection, head: RequestHead, scope: dict[str, Any], *, ended: bool) -> None:
        self.started = False
        self._connection = connection
        self._head = head
        self._scope = scope
        self._pieces: list[bytes] = []
        self._queued = 0
        self._ended, self._told_end = ended, False
        self._gone = self._complete = False
        self._wants_continue = head.wants_continue and not ended
        self._news: asyncio.Future[None] | None = None
        self._response: Message = {}
        self._has_body = self._chunked = False
        self._declared: int | None = None
        self._sent = 0

    async def run(self, app: ASGIApp) -> None:
        """Let the app answer."""
        try:
            await app(self._scope, self._receive, self._send)
        except Exception:
            _LOG.exception("%s %s: the request failed.", self._head.method, ascii(self._head.path))
        if not self._complete and not self.started and not self._gone:
            body = b'{"error": "internal error. See the log."}'
            await self._send({"type": "http.response.start", "status": 500, "headers": [_JSON]})
            await self._send({"type": "http.response.body", "body": body})
        elif not self._complete:
            self._connection.finish(self, whole=False)

    def feed(self, pieces: list[bytes], *, ended: bool) -> int:
        """Add what came of the body; returns how many bytes the app has not taken yet."""
        self._pieces += pieces
        self._queued += sum(map(len, pieces))
        self._ended = self._ended or ended
        self._wake()
        return self._queued

    def disconnect(self) -> None:
        """Tell the app that the client has gone."""
        self._gone = True
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _receive(self) -> Message:
        while True:
            if self._gone or self._complete:
                return {"type": "http.disconnect"}
            if self._pieces or (self._ended and not self._told_end):
                pieces, self._pieces, self._queued = self._pieces, [], 0
                self._told_end = self._ended
                self._connection.taken()
                body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                return {"type": "http.request", "body": body, "more_body": not self._ended}
            if self._wants_continue:
                self._wants_continue = False
                self._connection.write(self, b"HTTP/1.1 100 Continue\r\n\r\n")
            if self._news is None or self._news.done():
                self._news = asyncio.get_running_loop().create_future()
            await self._news

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._response = message
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        data = b"" if self.started else self._beginning(len(body), more)
        self.started = True
        if self._has_body:
            self._sent += len(body)
            if self._chunked:
                data += b"%x\r\n%s\r\n" % (len(body), body) if body else b""
                data += b"" if more else b"0\r\n\r\n"
            else:
                data += body
        self._connection.write(self, data)
        if not more:
            self._complete = True
            self._wake()
            whole = not self._has_body or self._declared in (None, self._sent)
            self._connection.finish(self, whole=whole)
        await self._connection.writable.wait()

    def _beginning(self, length: int, more: bool) -> bytes:
        """Return the head of the answer, whose first piece has `length` bytes."""
        status, headers = self._response["status"], list(self._response.get("headers", ()))
        named = {name.lower(): value for name, value in headers}
        self._has_body = self._head.method != "HEAD" and status not in _NO_BODY
        # A client that waits for "100 Continue" may send the body all the same, or may not: nobody knows.
        keeps_alive = not self._wants_continue and named.get(b"connection") != b"close"
        if b"content-length" in named:
            self._declared = int(named[b"content-length"])
        elif not more and status not in _NO_BODY:
            headers.append((b"content-length", b"%d" % length))
        elif more and self._has_body and self._head.version == "1.1":
            self._chunked = True
            headers.append((b"transfer-encoding", b"chunked"))
        elif more and self._has_body:
            keeps_alive = False  # the end of the answer is that of the connection
        if not self._connection.keep_alive_after(keeps_alive):
            headers += [] if b"connection" in named else [(b"connection", b"close")]
        elif self._head.version == "1.0":
            headers.append((b"connection", b"keep-alive"))
        return _head(status, headers)


def _head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of an answer; raises ValueError if a header would end it early."""
    lines = [b"%s: %s" % header for header in headers]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise ValueError(f"headers {lines!r}; expected each on one line")
    first = b"HTTP/1.1 %d %s" % (status, _PHRASES.get(status, b""))
    return b"\r\n".join([first, b"date: " + _date(int(time.time())), *lines, b"", b""])


@functools.lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode("ascii")
