"""Requests to CVAT with time limits and retries, whose failures are one sentence.

cvat-sdk has the endpoints and the login. Its models are not used, because they reject responses of older and newer
servers; nor are its retries, because it has no time limits (`limited_http`).
"""

import json
import os
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

import urllib3
import urllib3.exceptions
from cvat_sdk.api_client.exceptions import ApiException

from preannotate.core.http import Failure, Response, no_response, proxy_hint
from preannotate.core.text import printable
from preannotate.cvat.errors import RESUME, CvatError
from preannotate.cvat.limited_http import (
    CONNECT_VARIABLE,
    IMAGE,
    SMALL,
    UPLOAD,
    Limits,
    OtherServerError,
    TooLargeError,
    TooSlowError,
    connect_to,
    exchange,
    receive,
)

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 60.0
# Objects and lists in one response: Python needs some hundred bytes for each, and they can be two bytes of text.
MAX_CONTAINERS = 4_000_000
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

Result = TypeVar("Result")


class Requests:
    """Sends requests to one server, whose URL is used in messages."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Retry nothing from now on: the user wants to end, or another request failed."""
        self._stopped.set()

    def json(self, what: str, call: Callable[..., Any], *arguments: Any, limits: Limits = SMALL, **options: Any) -> Any:
        """Return the JSON of a response of `call`, a method of one of the SDK's API classes; `what` is for messages.

        Raises:
            CvatError: There is no response within the limits, or it is not JSON.
        """
        return self._json(what, ATTEMPTS, limits, call, *arguments, **options)

    def json_once(
        self, what: str, call: Callable[..., Any], *arguments: Any, limits: Limits = SMALL, **options: Any
    ) -> Any:
        """As `json` without retries, for what must not happen twice: a lost response is an error."""
        return self._json(what, 1, limits, call, *arguments, **options)

    def _json(
        self, what: str, attempts: int, limits: Limits, call: Callable[..., Any], *arguments: Any, **options: Any
    ) -> Any:
        def send() -> bytes:
            with exchange(limits):
                _, response = call(*arguments, _parse_response=False, **options)
                return receive(response)

        content = self.with_retries(what, send, attempts=attempts)
        try:
            if content.count(b"{") + content.count(b"[") > MAX_CONTAINERS:
                raise ValueError("too many entries")
            value = json.loads(content, parse_constant=_refuse)
            if _SURROGATE.search(content):  # halves of pairs, which no file can hold
                json.dumps(value, ensure_ascii=False).encode()
            return value
        except (ValueError, RecursionError) as error:
            raise CvatError(f"{self.url}: {what} is not JSON; expected CVAT's response. Use CVAT's own URL.") from error

    def download(
        self,
        what: str,
        sink: IO[bytes],
        call: Callable[..., Any],
        *arguments: Any,
        limits: Limits = IMAGE,
        **options: Any,
    ) -> None:
        """Write the body of a response to `sink` in parts; `sink` is emptied before another attempt.

        Raises:
            CvatError: There is no response within the limits, or not all of it.
        """

        def send() -> None:
            sink.seek(0)
            sink.truncate()
            with exchange(limits):
                _, response = call(*arguments, _parse_response=False, **options)
                receive(response, sink)

        self.with_retries(what, send)

    def send(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> int:
        """Send a request whose response does not matter, and return its status; for use in `with_retries`.

        Raises:
            HTTPError, ApiException: It failed.
        """
        with exchange(UPLOAD), Path(os.devnull).open("wb") as nowhere:
            _, response = call(*arguments, _parse_response=False, **options)
            receive(response, nowhere)
        return int(response.status)

    @contextmanager
    def parsing_response(self, what: str) -> Iterator[None]:
        """Turn the exceptions of reading a response into one sentence: it has another form than expected."""
        try:
            yield
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            found = printable(repr(error), 100)
            raise CvatError(
                f"{self.url}: {what} has an unknown form ({found}); expected that of CVAT 2.15 and newer. "
                f"Check whether the server is newer than this program."
            ) from error

    def with_retries(self, what: str, send: Callable[[], Result], *, attempts: int = ATTEMPTS) -> Result:
        """Return what `send` returns, called again while that may help.

        Raises:
            CvatError: It failed, for good or too often.
        """
        for attempt in range(1, attempts + 1):
            try:
                return send()
            except HTTP_ERRORS as error:
                if attempt == attempts or not is_transient(error) or self._stopped.wait(_wait_seconds(attempt, error)):
                    raise explain(self.url, what, error) from error
        raise AssertionError("unreachable")


def _refuse(constant: str) -> None:
    """NaN and Infinity are Python's own, and no JSON."""
    raise ValueError(constant)


def _wait_seconds(attempt: int, error: Exception) -> float:
    """Time before the next attempt: each time twice as long, and not all clients at the same moment."""
    requested = retry_after(error)
    if requested is not None:
        return min(requested, MAX_WAIT_SECONDS)
    return FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)


# What requests raise through cvat-sdk; its own exceptions for wrong arguments are bugs of this program.
HTTP_ERRORS = (urllib3.exceptions.HTTPError, ApiException)
# Too many requests, and what proxies and servers answer while something restarts.
_TRANSIENT_STATUS = (429, 500, 502, 503, 504)
_PERMANENT_FAILURES = (Failure.CERTIFICATE, Failure.NO_TLS, Failure.HOST_NOT_FOUND)


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, ApiException):
        return error.status in _TRANSIENT_STATUS
    if isinstance(error, OtherServerError | TooLargeError | TooSlowError):
        return False
    return not _is_redirect_loop(error) and no_response(error).failure not in _PERMANENT_FAILURES


def retry_after(error: Exception) -> float | None:
    """Return the seconds that the server asks to wait (Retry-After); None if it does not."""
    headers = getattr(error, "headers", None) or {}
    text = str(headers.get("Retry-After", ""))
    return float(text) if text.isdecimal() else None


def server_message(error: ApiException) -> str:
    """Return the server's message in brackets, " (Not found.)"; "" if there is none for people."""
    body = error.body or b""
    message = Response(error.status or 0, body if isinstance(body, bytes) else str(body).encode()).message()
    return f" ({message})" if message else ""


def explain(url: str, what: str, error: Exception) -> CvatError:
    """Return the error for a failed request of `what` ("task 12"), from one of `HTTP_ERRORS`."""
    if isinstance(error, ApiException):
        return CvatError(_explain_status(url, what, error), status=error.status)
    return CvatError(_explain_connection(url, what, error))


def _explain_status(url: str, what: str, error: ApiException) -> str:
    status = error.status
    if status == 401 or (status == 400 and what == "the login"):
        return (
            f"{url}: {status} for {what}, the login is rejected; expected a valid login. Check the password, or make "
            f"a new access token in CVAT (Profile, Security) and set CVAT_ACCESS_TOKEN."
        )
    if status == 403:
        return (
            f"{url}: 403 for {what}, this user has no permission; expected a user who has. "
            f"Use another login, or name the organization with --organization."
        )
    if status == 404:
        return (
            f"{url}: 404, {what} not found for this user; expected it to exist. "
            f"Check its number, or name its organization with --organization."
        )
    if status == 429:
        return f"{url}: 429 for {what}, too many requests; expected a response. Wait a little. {RESUME}"
    if status is not None and status >= 500:
        return (
            f"{url}: {status} for {what}, CVAT failed; expected a response. "
            f"Look for the cause with `docker logs --tail 100 cvat_server`. {RESUME}"
        )
    return f"{url}: {status} for {what}{server_message(error)}; expected a response. Check that the URL is CVAT's own."


def _explain_connection(url: str, what: str, error: Exception) -> str:
    if _is_redirect_loop(error):
        return f"{url}: too many redirects; expected CVAT. Use CVAT's own URL."
    if isinstance(error, OtherServerError):
        return (
            f"{url}: {what} leads to {error.target}, another server, which would get the login; expected CVAT itself. "
            f"If that is your CVAT, name it: --cvat {error.target}"
        )
    if isinstance(error, TooLargeError):
        return f"{url}: {what}: {error}. Check that the URL is CVAT's own."
    reason = no_response(error)
    hint = _connect_hint(url) or proxy_hint(url)
    match reason.failure:
        case Failure.CERTIFICATE | Failure.NO_TLS:
            return (
                f"{url}: {reason}; expected a certificate that this machine trusts. Set SSL_CERT_FILE to the "
                f"authority's, or pass --insecure if the network is yours alone."
            )
        case Failure.HOST_NOT_FOUND:
            return f"{url}: host {urlsplit(url).hostname!r} not found; expected CVAT's host. Check the URL{hint}."
        case Failure.TIMED_OUT:
            return (
                f"{url}: no response in time for {what}; expected a response. Check the load of the server{hint}. "
                f"{RESUME}"
            )
        case Failure.BROKEN_OFF:
            return (
                f"{url}: the connection broke off during {what}; expected the whole response. Check the network{hint}. "
                f"{RESUME}"
            )
    return (
        f"{url}: no connection ({reason}); expected CVAT to listen there. Check host and port, and with `docker ps` "
        f"whether it runs{hint}. {RESUME}"
    )


def _connect_hint(url: str) -> str:
    """Return a clause for remedies if connections to `url` go to another host; "" if they do not."""
    parts, instead = urlsplit(url), connect_to()
    if instead is None or parts.scheme != "http" or not instead.applies(parts.hostname or "", parts.port or 80):
        return ""
    host, port = instead.reached
    return (
        f" (connections go to {host}:{port}, as {CONNECT_VARIABLE} says: CVAT has to be on the same Docker network, by "
        f"compose.cvat.yaml)"
    )


def _is_redirect_loop(error: Exception) -> bool:
    return isinstance(getattr(error, "reason", error), urllib3.exceptions.ResponseError)
