"""Requests that end: with an answer, or after a few attempts with one sentence.

cvat-sdk knows the endpoints and the login; its models are left aside, because they refuse what older and newer
servers answer, and so are its retries, because it has no time limits.
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
from preannotate.cvat.http_errors import FAULTS, described, is_transient, seconds_to_wait

# Seconds to connect, and between two parts of an answer: a server that cuts a frame out of a video takes its time.
TIME_LIMITS = (10.0, 60.0)
ATTEMPTS = 4
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
REDIRECTS = 3
_PART_BYTES = 1 << 16

Answer = TypeVar("Answer")


class _LimitedRest(rest.RESTClientObject):
    """The SDK's HTTP, where every request has a time limit and fails at once: `Requests` asks again."""

    def __init__(self, configuration: Any) -> None:
        # `retries=False` would hide the reason of a failure; redirects within CVAT are followed.
        configuration.retries = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=REDIRECTS)
        super().__init__(configuration)

    def request(self, *arguments: Any, _request_timeout: Any = None, **named: Any) -> urllib3.HTTPResponse:
        """As the SDK's."""
        return super().request(*arguments, _request_timeout=_request_timeout or TIME_LIMITS, **named)


def with_time_limits(api_client: ApiClient) -> None:
    """Give all requests of a client that has not asked anything yet time limits."""
    api_client.rest_client = _LimitedRest(api_client.configuration)


class Requests:
    """Asks one server.

    Attributes:
        url: Of the server, for messages.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Nothing is asked a second time any more: somebody wants to end, or another request failed."""
        self._stopped.set()

    def json(self, what: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """The JSON of an answer.

        Args:
            what: Is asked for, for messages.
            call: A method of one of the SDK's API classes.
            arguments: Of the call.
            named: Of the call, too.

        Raises:
            CvatError: No answer, or none that is JSON.
        """
        return self._json(what, ATTEMPTS, call, *arguments, **named)

    def json_once(self, what: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """The same for what would be there twice if it were asked again: an answer that is lost is an error."""
        return self._json(what, 1, call, *arguments, **named)

    def _json(self, what: str, attempts: int, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        def ask() -> bytes:
            _, response = call(*arguments, _parse_response=False, **named)
            try:
                return response.data
            finally:
                response.release_conn()

        content = self.tried(what, ask, attempts=attempts)
        try:
            return json.loads(content)
        except ValueError as error:
            raise CvatError(
                f"{self.url}: no JSON for {what}; expected CVAT's answer. Give CVAT's own address."
            ) from error

    def download(self, what: str, sink: IO[bytes], call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        """Write the body of an answer to `sink`, part by part; `sink` is emptied before another attempt.

        Raises:
            CvatError: No answer, or not all of it.
        """

        def ask() -> None:
            sink.seek(0)
            sink.truncate()
            _, response = call(*arguments, _parse_response=False, **named)
            with response:
                for part in response.stream(_PART_BYTES):
                    sink.write(part)

        self.tried(what, ask)

    @contextmanager
    def understanding(self, what: str) -> Iterator[None]:
        """What comes from the server is read inside: an answer of another form becomes one sentence."""
        try:
            yield
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise CvatError(
                f"{self.url}: {what} in a form that is not known ({error!r}); expected that of CVAT 2.15 and newer. "
                f"Look whether the server is newer than this program."
            ) from error

    def tried(self, what: str, ask: Callable[[], Answer], *, attempts: int = ATTEMPTS) -> Answer:
        """What `ask` returns, asked again while that may help.

        Raises:
            CvatError: Asking again did not help, or would not.
        """
        for attempt in range(1, attempts + 1):
            try:
                return ask()
            except FAULTS as fault:
                if attempt == attempts or not is_transient(fault) or self._stopped.wait(_wait(attempt, fault)):
                    raise described(self.url, what, fault) from fault
        raise AssertionError("unreachable")


def _wait(attempt: int, fault: Exception) -> float:
    """Seconds before the next attempt: each time twice as long, and not all clients at the same moment."""
    asked = seconds_to_wait(fault)
    if asked is not None:
        return min(asked, LONGEST_WAIT_SECONDS)
    return FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
