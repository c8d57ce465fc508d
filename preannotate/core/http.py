"""The HTTP client of everything but cvat-sdk, on urllib3.

Bounded in time and size, system certificates (or SSL_CERT_FILE), proxies of the environment, no retries. Redirects
are followed by `download` alone: a login must not travel to another host. urllib3 is imported with the first request.
"""

import contextlib
import enum
import json
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urljoin, urlsplit

from preannotate.core.errors import FileError, PreannotateError

if TYPE_CHECKING:
    import urllib3

TIMEOUT_SECONDS = 10.0
MAX_BYTES = 16 * 1024 * 1024
# Hosts at which only this machine is reached.
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_MAX_MESSAGE_LENGTH = 300
_USER_AGENT = "preannotate"
_OK, _PARTIAL, _NO_SUCH_PART = 200, 206, 416
_REDIRECTS, _MAX_REDIRECTS = (301, 302, 303, 307, 308), 5
_LONGEST_LENGTH = 20
_CHUNK = 1 << 16


class AddressError(PreannotateError, ValueError):
    """A URL of a server that cannot be used."""


class Failure(enum.StrEnum):
    """Why a request got no response."""

    REFUSED = "connection refused"
    HOST_NOT_FOUND = "host not found"
    TIMED_OUT = "timed out"
    CERTIFICATE = "its certificate is not trusted"
    NO_TLS = "no TLS"
    TOO_LARGE = "the response is too large"
    BROKEN_OFF = "the connection broke off"
    OTHER = "no connection"


class NoResponseError(PreannotateError, OSError):
    """A request got no response; `str()` is the reason in a few words, without the URL."""

    def __init__(self, failure: Failure, reason: str = "") -> None:
        super().__init__(reason or failure.value)
        self.failure = failure


@dataclass(frozen=True)
class Response:
    """The response to a request: at most MAX_BYTES of its body; `location` of a redirect, else ""."""

    status: int
    body: bytes = field(default=b"", repr=False)
    location: str = ""

    def json(self) -> Any:
        """Return the parsed body; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def message(self) -> str:
        """Return what the body says to people, shortened to one line; "" for HTML and other data."""
        content = self.json()
        if isinstance(content, dict):
            content = content.get("detail") or content.get("error") or content.get("message")
        if isinstance(content, list):
            content = "; ".join(item for item in content if isinstance(item, str))
        if content is None and not self.body.lstrip().startswith((b"<", b"{")):
            content = self.body.decode("utf-8", "replace")
        return " ".join(content.split())[:_MAX_MESSAGE_LENGTH] if isinstance(content, str) else ""


def is_http_url(url: str) -> bool:
    """Return whether `url` is a complete http or https URL."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # raised for the port
        return False


def server_url(option: str, url: str) -> str:
    """Return a server's URL without a final slash, query and fragment.

    Raises:
        AddressError: It is not a URL, or contains a login, which would end in logs.
    """
    if not is_http_url(url):
        raise AddressError(f"{option}: {url!r}; expected a URL, as in http://localhost:8080. Write it with http://.")
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise AddressError(
            f"{option}: a URL with a login in it; expected one without. "
            f"Put the login into the environment: CVAT_ACCESS_TOKEN."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json_body: Any = None,
    body: bytes | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Response:
    """Send one request and return its response, whatever its status.

    `json_body` is sent as JSON, else `body` as it is; `timeout` is for all of it, from the connection to the last byte.

    Raises:
        NoResponseError: There is no response, or not all of it.
    """
    sent = {"User-Agent": _USER_AGENT, **(headers or {})}
    if json_body is not None:
        sent.setdefault("Content-Type", "application/json")
        body = json.dumps(json_body, ensure_ascii=False).encode()
    with _exchange(method, url, headers=sent, body=body, timeout=timeout) as received:
        content = received.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise NoResponseError(Failure.TOO_LARGE)
    return Response(received.status, content, received.headers.get("Location", ""))


def download(
    url: str,
    file: BinaryIO,
    *,
    max_bytes: int,
    connect_timeout: float,
    timeout: float,
    validator: str = "",
    begun: Callable[[str], object] = lambda validator: None,
    progress: Callable[[int, int | None], object] = lambda done, total: None,
) -> None:
    """Write the file at a public address to an open one, following redirects; from https to https only.

    After an error the file has a part of the content.

    Args:
        url: Where the file is.
        file: Open for writing. With `validator` it stands behind the part that an earlier call wrote, and goes on there
            if the server still has the same content; else it is written from its beginning.
        max_bytes: Of the whole file.
        connect_timeout: Seconds for a connection.
        timeout: Seconds for all of it.
        validator: What `begun` got when the part was written.
        begun: Called before the first byte is written, with the server's name for this content ("" if it has none).
        progress: Called with the bytes that are here, and the size of the file if the server says it.

    Raises:
        NoResponseError: There is no such file, it is larger than `max_bytes`, or not all of it came.
    """
    end = time.monotonic() + timeout
    have = file.tell() if validator else 0
    for _ in range(_MAX_REDIRECTS + 1):
        left = max(end - time.monotonic(), 0.001)
        headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        with _exchange(
            "GET", url, headers=headers, body=None, timeout=left, connect_timeout=min(connect_timeout, left)
        ) as received:
            location = received.headers.get("Location", "")
            goes_on = received.status == _PARTIAL and have > 0
            if goes_on and not received.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                raise NoResponseError(Failure.OTHER, "another part than the one that was asked for")
            if received.status == _OK or goes_on:
                if have and not goes_on:  # the content is another one by now
                    file.seek(0)
                    file.truncate()
                begun(_validator(received))
                _write(received, file, max_bytes, have if goes_on else 0, progress)
                return
        if received.status == _NO_SUCH_PART and have:  # the part is the whole file, or longer than it
            have = 0
            file.seek(0)
            file.truncate()
            continue
        if received.status not in _REDIRECTS or not location:
            raise NoResponseError(Failure.OTHER, f"status {received.status}")
        target = urljoin(url, location)
        if not is_http_url(target) or (url.startswith("https:") and not target.startswith("https:")):
            raise NoResponseError(Failure.OTHER, "a redirect to an address that is not https")
        url = target
    raise NoResponseError(Failure.OTHER, "too many redirects")


def _validator(received: "urllib3.BaseHTTPResponse") -> str:
    """Return what names this very content: a strong ETag. Dates have steps of a second; two contents may share one."""
    tag = received.headers.get("ETag", "")
    return tag if tag.startswith('"') and tag.isascii() and tag.isprintable() else ""


def _write(
    received: "urllib3.BaseHTTPResponse",
    file: BinaryIO,
    max_bytes: int,
    written: int,
    progress: Callable[[int, int | None], object],
) -> None:
    length = received.headers.get("Content-Length", "")
    total = written + int(length) if length.isascii() and length.isdecimal() and len(length) < _LONGEST_LENGTH else None
    if total is not None and total > max_bytes:
        raise NoResponseError(Failure.TOO_LARGE)
    for chunk in received.stream(_CHUNK, decode_content=False):
        written += len(chunk)
        if written > max_bytes:
            raise NoResponseError(Failure.TOO_LARGE)
        try:
            file.write(chunk)
        except OSError as error:
            raise FileError(f"download: {error.strerror or error}; expected room for the file.") from error
        progress(written, total)


@contextlib.contextmanager
def _exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    timeout: float,
    connect_timeout: float | None = None,
) -> Iterator["urllib3.BaseHTTPResponse"]:
    """Yield the response to one request, whose body is read within the block.

    Raises:
        NoResponseError: There is no response, or the body breaks off or does not come in time.
    """
    from urllib3.exceptions import HTTPError

    sockets: list[socket.socket] = []
    timed_out = threading.Event()
    timer = threading.Timer(timeout, _end_connections, (sockets, timed_out))
    timer.daemon = True
    try:
        with _connections(url, sockets, timeout, connect_timeout) as manager:
            timer.start()
            received = manager.request(
                method, url, body=body, headers=headers, retries=False, redirect=False, preload_content=False
            )
            yield received
            received.close()
    except PreannotateError:
        raise
    except (HTTPError, OSError, UnicodeError) as error:
        raise NoResponseError(Failure.TIMED_OUT) if timed_out.is_set() else no_response(error) from error
    finally:
        timer.cancel()
    if timed_out.is_set():  # a body without Content-Length just ends there
        raise NoResponseError(Failure.TIMED_OUT)


def no_response(error: BaseException) -> NoResponseError:
    """Return the reason for a failed connection; understands the errors of urllib3, ssl, socket and smtplib."""
    chain = list(_causes(error))
    proxy = " by the proxy" if any(type(cause).__name__ == "ProxyError" for cause in chain) else ""
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NoResponseError(Failure.CERTIFICATE, f"{Failure.CERTIFICATE} ({cause.verify_message})")
        if isinstance(cause, ssl.SSLError):
            return NoResponseError(Failure.NO_TLS, f"{Failure.NO_TLS} ({cause.reason or cause})")
        if isinstance(cause, TimeoutError):
            return NoResponseError(Failure.TIMED_OUT)
        if isinstance(cause, socket.gaierror | UnicodeError):  # UnicodeError: part of a name above 63 letters
            return NoResponseError(Failure.HOST_NOT_FOUND)
        if isinstance(cause, ConnectionRefusedError):
            return NoResponseError(Failure.REFUSED, f"{Failure.REFUSED}{proxy}")
        if isinstance(cause, ConnectionError):
            return NoResponseError(Failure.BROKEN_OFF)
        if isinstance(cause, OSError) and cause.strerror:
            return NoResponseError(Failure.OTHER, f"{cause.strerror.lower()}{proxy}")
    by_name = {
        "LocationParseError": Failure.HOST_NOT_FOUND,
        "IncompleteRead": Failure.BROKEN_OFF,
        "ProtocolError": Failure.BROKEN_OFF,
    }
    found = next((by_name[name] for cause in chain if (name := type(cause).__name__) in by_name), None)
    return NoResponseError(found) if found else NoResponseError(Failure.OTHER, str(error) or type(error).__name__)


def proxy_hint(url: str) -> str:
    """Return a clause for remedies if requests to `url` go through a proxy; "" if they do not."""
    parts = urlsplit(url)
    if not urllib.request.getproxies().get(parts.scheme) or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return f" (a proxy is set: if it should not be used, add {parts.hostname} to no_proxy)"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it wraps: urllib3 keeps the cause in `reason`, in its arguments, or chains it."""
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        wrapped = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        current = next((cause for cause in wrapped if isinstance(cause, BaseException)), None)


def _connections(
    url: str, sockets: list[socket.socket], timeout: float, connect_timeout: float | None
) -> "urllib3.PoolManager":
    """Connections to one host, through the proxy that the environment names for it; `sockets` gets each one."""
    import urllib3

    parts = urlsplit(url)
    limits = urllib3.Timeout(total=timeout, connect=connect_timeout)
    options: dict[str, Any] = {"timeout": limits, "ssl_context": ssl.create_default_context()}
    proxy = urllib.request.getproxies().get(parts.scheme, "")
    manager: urllib3.PoolManager
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        proxy_parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        login, _, host = proxy_parts.netloc.rpartition("@")
        manager = urllib3.ProxyManager(
            f"{proxy_parts.scheme}://{host}",
            proxy_headers=urllib3.make_headers(proxy_basic_auth=unquote(login)) if login else None,
            **options,
        )
    else:
        manager = urllib3.PoolManager(**options)
    pool = manager.connection_from_url(url)
    connection_class: Any = pool.ConnectionCls

    class TrackedConnection(connection_class):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock)

    pool.ConnectionCls = TrackedConnection
    return manager


def _end_connections(sockets: list[socket.socket], timed_out: threading.Event) -> None:
    """Shut sockets down; the thread that reads from them ends at once, however slowly bytes come."""
    timed_out.set()
    for connection in sockets:
        with contextlib.suppress(OSError):  # already closed
            connection.shutdown(socket.SHUT_RDWR)
