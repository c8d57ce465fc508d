"""Sessions as signed cookies, and the CSRF tokens of their forms.

The server stores only which sessions ended early: a cookie holds when it was created and whether its browser is logged
in, and its signature proves that the studio wrote it.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

MAX_AGE_SECONDS = 7 * 24 * 3600
_FORM = re.compile(r"([0-9a-f]{32})\.(\d{1,12})\.([01])\.([0-9a-f]{64})")
# Ended sessions that are remembered; the oldest are dropped long after their cookies have expired.
_MOST_ENDED = 10_000


@dataclass(frozen=True)
class Session:
    """The session of a browser.

    Attributes:
        id: Random.
        made: When it was created, seconds since 1970.
        admitted: Whether it is logged in.
    """

    id: str
    made: int
    admitted: bool


class Sessions:
    """Creates sessions, and signs and reads their cookies."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        """Sign with `key`, which must stay secret."""
        self._key = key
        self._clock = clock
        self._ended: dict[str, None] = {}
        self._lock = threading.Lock()

    def begin(self, *, admitted: bool) -> Session:
        """Create a session; also after a login, against session fixation."""
        return Session(secrets.token_hex(16), int(self._clock()), admitted)

    def end(self, session: Session) -> None:
        """End a session: its cookie is not accepted any more."""
        with self._lock:
            self._ended[session.id] = None
            while len(self._ended) > _MOST_ENDED:
                del self._ended[next(iter(self._ended))]

    def cookie(self, session: Session) -> str:
        """Return the value of a session's cookie."""
        value = f"{session.id}.{session.made}.{int(session.admitted)}"
        return f"{value}.{self._sign('session', value)}"

    def read(self, cookie: str) -> Session | None:
        """Return the session of a cookie; None if it is not signed, too old or ended."""
        if (match := _FORM.fullmatch(cookie)) is None:
            return None
        number, made, admitted, signature = match.groups()
        if not hmac.compare_digest(signature, self._sign("session", f"{number}.{made}.{admitted}")):
            return None
        if number in self._ended or not 0 <= self._clock() - int(made) <= MAX_AGE_SECONDS:
            return None
        return Session(number, int(made), admitted == "1")

    def form_token(self, session: Session) -> str:
        """Return the CSRF token of a session's forms."""
        return self._sign("form", session.id)

    def is_form_token(self, session: Session, token: str) -> bool:
        """Return whether a form has the CSRF token of its session."""
        return hmac.compare_digest(token.encode(), self.form_token(session).encode())

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()
