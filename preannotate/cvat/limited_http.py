"""cvat-sdk's HTTP with limits: one server, and of each response the time and the size.

A password, a token or a CSRF token never goes to another server than the one that was named: not by a redirect, and not
because a response names another address to continue at. The time is for all of an exchange, from the connection to the
last byte, however slowly bytes come; the size is that after decompression.
"""

import contextlib
import io
import os
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import urllib3
from cvat_sdk.api_client import ApiClient, rest
from cvat_sdk.api_client.exceptions import ApiException
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from preannotate.core.http import LOOPBACK_NAMES
from preannotate.core.text import plural, printable
from preannotate.cvat.errors import CvatError

# Seconds to connect, and between two parts of a response: a server that cuts a frame out of a video takes its time.
TIMEOUT_SECONDS = (10.0, 60.0)
MAX_REDIRECTS = 3
_MB = 1 << 20
_CHUNK_BYTES = 1 << 16
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Limits:
    """The most of one response: bytes after decompression, and seconds for all of the exchange."""

    max_bytes: int
    seconds: float


# In a container `localhost` is the container itself, and CVAT, which browsers know by that name, has another one.
CONNECT_VARIABLE = "PREANNOTATE_CVAT_CONNECT_TO"
_ENDPOINT = r"([A-Za-z0-9._-]{1,253}):([0-9]{1,5})"
_CONNECT_TO = re.compile(rf"{_ENDPOINT}={_ENDPOINT}")
_LAST_PORT = 65535


@dataclass(frozen=True)
class ConnectTo:
    """As `--connect-to` of curl: connections to one host and port, without TLS, go to another; requests do not change.

    Addresses of tasks and frames therefore are those that a browser understands, and the server sees its own name.
    """

    named: tuple[str, int]
    reached: tuple[str, int]

    def applies(self, host: str, port: int) -> bool:
        """Return whether connections to a host and port go elsewhere; `localhost` has its numbers as well."""
        same = host == self.named[0] or {host, self.named[0]} <= set(LOOPBACK_NAMES)
        return same and port == self.named[1]


def connect_to() -> ConnectTo | None:
    """Return what PREANNOTATE_CVAT_CONNECT_TO says, as in `localhost:8080=cvat_server:8080`; None if it is not set.

    Raises:
        CvatError: It has another form.
    """
    text = os.environ.get(CONNECT_VARIABLE, "").strip()
    if not text:
        return None
    match = _CONNECT_TO.fullmatch(text)
    if match is None or not all(0 < int(port) <= _LAST_PORT for port in (match[2], match[4])):
        raise CvatError(
            f"{CONNECT_VARIABLE}: {printable(text, 100)!r}; expected HOST:PORT=HOST:PORT, as in "
            f"localhost:8080=cvat_server:8080. Correct it, or leave it empty."
        )
    return ConnectTo((match[1].lower(), int(match[2])), (match[3], int(match[4])))


# Who somebody is, one task, one status: kilobytes.
SMALL = Limits(4 * _MB, 120.0)
# One page of a list; names of all images of a task; annotations of a job (some 400,000 shapes).
LIST = Limits(16 * _MB, 120.0)
LARGE = Limits(128 * _MB, 600.0)
IMAGE = Limits(512 * _MB, 600.0)
# Uploads on a slow line: CVAT repeats the shapes that it got.
UPLOAD = Limits(128 * _MB, 1800.0)


class OtherServerError(HTTPError):
    """A response leads to another server; `target` is that one, fit to be shown."""

    def __init__(self, target: str) -> None:
        super().__init__(f"leads to {target}")
        self.target = target


class TooLargeError(HTTPError):
    """A response is larger than its limit; `str()` says what was expected."""


class TooSlowError(HTTPError, TimeoutError):
    """A response did not arrive in the time for all of it."""


class _Exchange:
    """The request that this thread is sending, with the connections that it uses."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.connections: list[Any] = []
        # Of these connections; one that is not used again forgets its socket while the body is still read.
        self.sockets: list[socket.socket] = []
        self.expired = threading.Event()

    def expire(self) -> None:
        """Shut the connections down; whoever reads from them ends at once."""
        self.expired.set()
        for stream in [*self.sockets, *(connection.sock for connection in self.connections)]:
            with contextlib.suppress(OSError, AttributeError):  # already closed, or not there yet
                stream.shutdown(socket.SHUT_RDWR)


class _Current(threading.local):
    exchange: _Exchange | None = None


_current = _Current()


@contextlib.contextmanager
def exchange(limits: Limits) -> Iterator[None]:
    """Limit what this thread sends and receives in the block; inside another exchange that one's limits hold.

    Raises:
        TooSlowError: The time is over.
    """
    if _current.exchange is not None:
        yield
        return
    current = _Exchange(limits)
    timer = threading.Timer(limits.seconds, current.expire)
    timer.daemon = True
    timer.start()
    _current.exchange = current
    try:
        yield
    except (HTTPError, OSError) as error:
        if current.expired.is_set():
            raise TooSlowError(f"more than {limits.seconds:g} s") from error
        raise
    finally:
        timer.cancel()
        _current.exchange = None
    if current.expired.is_set():  # a body without Content-Length just ends there
        raise TooSlowError(f"more than {limits.seconds:g} s")


def receive(
    response: urllib3.BaseHTTPResponse, sink: IO[bytes] | None = None, *, max_bytes: int | None = None
) -> bytes:
    """Return the body of a response in the current exchange, or write it to `sink` and return b"".

    `max_bytes` is for less than the limit of the exchange.

    Raises:
        TooLargeError: It is larger than the limit, or compressed several times over.
    """
    limits = _current.exchange.limits if _current.exchange is not None else SMALL
    limit = min(limits.max_bytes, max_bytes or limits.max_bytes)
    if "," in response.headers.get("Content-Encoding", ""):
        raise TooLargeError("the response is compressed more than once; expected it compressed once or not at all")
    body, size = io.BytesIO(), 0
    target = body if sink is None else sink
    for chunk in response.stream(_CHUNK_BYTES):
        size += len(chunk)
        if size > limit:
            response.close()
            most = plural(limit // _MB, "megabyte")
            raise TooLargeError(f"the response is larger than {most}; expected at most that")
        target.write(chunk)
    response.release_conn()
    return body.getvalue()


class _Tracked:
    """A connection that the exchange of its thread can end."""

    sock: socket.socket | None

    def connect(self) -> None:
        if _current.exchange is not None:
            _current.exchange.connections.append(self)
        super().connect()  # type: ignore[misc]

    def getresponse(self) -> Any:
        if _current.exchange is not None and self.sock is not None:
            _current.exchange.sockets.append(self.sock)
        return super().getresponse()  # type: ignore[misc]


class _TrackedHttp(_Tracked, HTTPConnection):
    def connect(self) -> None:
        """Connect, perhaps to another host and port than requests name (CONNECT_VARIABLE)."""
        named = self.host, self.port
        instead = connect_to()
        if instead is None or not instead.applies(*named):
            super().connect()
            return
        self.host, self.port = instead.reached
        try:
            super().connect()
        finally:
            self.host, self.port = named


class _TrackedHttps(_Tracked, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _TrackedHttp


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TrackedHttps


class _WithinServer(urllib3.Retry):
    """Follows redirects within a server; it fails at once where they lead to another, and does not retry."""

    def increment(self, method: Any = None, url: Any = None, response: Any = None, *rest: Any, **named: Any) -> Any:
        if response is not None and url is not None and (location := response.get_redirect_location()):
            target = urljoin(url, location)
            if _origin(target) != _origin(url):
                raise OtherServerError(_shown_origin(target))
        return super().increment(method, url, response, *rest, **named)


@dataclass(frozen=True)
class _Origin:
    scheme: str
    host: str
    port: int = 0


class LimitedRest(rest.RESTClientObject):
    """The SDK's HTTP, limited as the module says; it fails at once, because `Requests` retries."""

    def __init__(self, configuration: Any, timeout: tuple[float, float]) -> None:
        # `retries=False` would hide the reason of a failure.
        configuration.retries = _WithinServer(
            total=None, connect=0, read=0, status=0, other=0, redirect=MAX_REDIRECTS, raise_on_redirect=True
        )
        super().__init__(configuration)
        self.pool_manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        self._timeout = timeout
        self._host = configuration.host

    def request(
        self,
        method: str,
        url: str,
        *arguments: Any,
        _parse_response: bool = True,
        _request_timeout: Any = None,
        _check_status: bool = True,
        **options: Any,
    ) -> urllib3.HTTPResponse:
        """Send a request as the SDK does; the body is read already if it is to be parsed, or is about an error.

        Raises:
            ApiException: The status is none of success, and `_check_status`.
            HTTPError: There is no response within the limits.
        """
        with exchange(UPLOAD):
            response = super().request(
                method,
                self._on_server(url),
                *arguments,
                _parse_response=False,
                _request_timeout=_request_timeout or self._timeout,
                _check_status=False,
                **options,
            )
            failed = _check_status and not 200 <= response.status <= 299
            if failed or _parse_response:
                response = _received(response)
        if failed:
            raise ApiException(http_resp=response)
        return response

    def _on_server(self, url: str) -> str:
        """Return an address of the server; one that its responses name may have another scheme behind a proxy."""
        here, there = urlsplit(self._host), urlsplit(url)
        if _origin(url) == _origin(self._host):
            return url
        if there.hostname == here.hostname and {there.port, here.port} <= {None, *_PORTS.values()}:
            return there._replace(scheme=here.scheme, netloc=here.netloc).geturl()
        raise OtherServerError(_shown_origin(url))


def limit_requests(api_client: ApiClient, timeout: tuple[float, float] | None = None) -> None:
    """Limit all requests of a client that has not sent any yet; `timeout` is as `TIMEOUT_SECONDS`.

    Raises:
        CvatError: PREANNOTATE_CVAT_CONNECT_TO has another form than its own.
    """
    connect_to()
    api_client.rest_client = LimitedRest(api_client.configuration, timeout or TIMEOUT_SECONDS)


def _received(response: urllib3.HTTPResponse) -> urllib3.HTTPResponse:
    """Return a response whose body is in memory."""
    headers = urllib3.HTTPHeaderDict(response.headers)
    # The SDK decodes the body of an error.
    body = receive(response, max_bytes=SMALL.max_bytes).decode("utf-8", "replace").encode()
    for name in ("Content-Encoding", "Content-Length", "Transfer-Encoding"):
        headers.pop(name, None)
    return urllib3.HTTPResponse(io.BytesIO(body), headers, response.status, reason=response.reason)


def _origin(url: str) -> _Origin:
    try:
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        return _Origin(scheme, parts.hostname or "", parts.port or _PORTS.get(scheme, 0))
    except ValueError:
        return _Origin("", url)


def _shown_origin(url: str) -> str:
    """What may be shown of a stranger's URL: neither a login in it nor its path."""
    origin = _origin(url)
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    port = "" if origin.port == _PORTS.get(origin.scheme) else f":{origin.port}"
    return printable(f"{origin.scheme}://{host}{port}", 100)
