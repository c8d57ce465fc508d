"""Requests to CVAT with time limits and retries, whose failures are one sentence.

cvat-sdk has the endpoints and the login. Its models are not used, because they reject responses of older and newer
servers; nor are its retries, because it has no time limits.
"""

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeVar

import urllib3
from cvat_sdk.api_client import ApiClient, rest

from preannotate.cvat.errors import CvatError
from preannotate.cvat.http_errors import HTTP_ERRORS, explain, is_transient, retry_after

# Seconds to connect, and between two parts of a response: a server that cuts a frame out of a video takes its time.
TIMEOUT_SECONDS = (10.0, 60.0)
ATTEMPTS = 4
FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 60.0
MAX_REDIRECTS = 3
_CHUNK_BYTES = 1 << 16

Result = TypeVar("Result")


class _LimitedRest(rest.RESTClientObject):
    """The SDK's HTTP with a time limit for every request; it fails at once, because `Requests` retries."""

    def __init__(self, configuration: Any, timeout: tuple[float, float]) -> None:
        # `retries=False` would hide the reason of a failure; redirects within CVAT are followed.
        configuration.retries = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=MAX_REDIRECTS)
        super().__init__(configuration)
        self._timeout = timeout

    def request(self, *arguments: Any, _request_timeout: Any = None, **options: Any) -> urllib3.HTTPResponse:
        return super().request(*arguments, _request_timeout=_request_timeout or self._timeout, **options)


def add_timeouts(api_client: ApiClient, timeout: tuple[float, float] | None = None) -> None:
    """Give all requests of a client that has not sent any yet time limits."""
    api_client.rest_client = _LimitedRest(api_client.configuration, timeout or TIMEOUT_SECONDS)


class Requests:
    """Sends requests to one server.

    Attributes:
        url: Of the server, for messages.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Retry nothing from now on: the user wants to end, or another request failed."""
        self._stopped.set()

    def json(self, what: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return the JSON of a response.

        Args:
            what: What is requested, for messages.
            call: A method of one of the SDK's API classes.
            arguments: For `call`.
            options: For `call`, too.

        Raises:
            CvatError: There is no response, or it is not JSON.
        """
        return self._json(what, ATTEMPTS, call, *arguments, **options)

    def json_once(self, what: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Do the same without retries, for what must not happen twice: a lost response is an error."""
        return self._json(what, 1, call, *arguments, **options)

    def _json(self, what: str, attempts: int, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        def send() -> bytes:
            _, response = call(*arguments, _parse_response=False, **options)
            try:
                return response.data
            finally:
                response.release_conn()

        content = self.with_retries(what, send, attempts=attempts)
        try:
            return json.loads(content)
        except ValueError as error:
            raise CvatError(f"{self.url}: {what} is not JSON; expected CVAT's response. Use CVAT's own URL.") from error

    def download(self, what: str, sink: IO[bytes], call: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        """Write the body of a response to `sink` in parts; `sink` is emptied before another attempt.

        Raises:
            CvatError: There is no response, or not all of it.
        """

        def send() -> None:
            sink.seek(0)
            sink.truncate()
            _, response = call(*arguments, _parse_response=False, **options)
            with response:
                for chunk in response.stream(_CHUNK_BYTES):
                    sink.write(chunk)

        self.with_retries(what, send)

    @contextmanager
    def parsing_response(self, what: str) -> Iterator[None]:
        """Turn the exceptions of reading a response into one sentence: it has another form than expected."""
        try:
            yield
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise CvatError(
                f"{self.url}: {what} has an unknown form ({error!r}); expected that of CVAT 2.15 and newer. "
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


def _wait_seconds(attempt: int, error: Exception) -> float:
    """Time before the next attempt: each time twice as long, and not all clients at the same moment."""
    asked = retry_after(error)
    if asked is not None:
        return min(asked, MAX_WAIT_SECONDS)
    return FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
