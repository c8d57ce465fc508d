"""One browser's session: a signed cookie, and the token of its forms.

Nothing is kept here but which sessions were ended early: a cookie says when it was made and whether its browser has
shown the login token, and the signature says that the studio wrote so.
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
# Sessions that were ended; the oldest are forgotten long after their cookies have expired in any sane use.
_MOST_ENDED = 10_000


@dataclass(frozen=True)
class Session:
    """A browser that was seen.

    Attributes:
        id: Random.
        made: Seconds since 1970.
        admitted: Whether it has shown the login token.
    """

    id: str
    made: int
    admitted: bool


class Sessions:
    """Makes and reads cookies."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        """Sign with `key`; whoever knows it can make sessions."""
        self._key = key
        self._clock = clock
        self._ended: dict[str, None] = {}
        self._lock = threading.Lock()

    def begin(self, *, admitted: bool) -> Session:
        """A new session; after a login too, so that nobody can have chosen its id before."""
        return Session(secrets.token_hex(16), int(self._clock()), admitted)

    def end(self, session: Session) -> None:
        """Read its cookie no more."""
        with self._lock:
            self._ended[session.id] = None
            while len(self._ended) > _MOST_ENDED:
                del self._ended[next(iter(self._ended))]

    def cookie(self, session: Session) -> str:
        """The value of its cookie."""
        said = f"{session.id}.{session.made}.{int(session.admitted)}"
        return f"{said}.{self._sign('session', said)}"

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie; None if it is not one of ours, too old or ended."""
        if (match := _FORM.fullmatch(cookie)) is None:
            return None
        number, made, admitted, signature = match.groups()
        if not hmac.compare_digest(signature, self._sign("session", f"{number}.{made}.{admitted}")):
            return None
        if number in self._ended or not 0 <= self._clock() - int(made) <= MAX_AGE_SECONDS:
            return None
        return Session(number, int(made), admitted == "1")

    def form_token(self, session: Session) -> str:
        """What each form of this session has to send back."""
        return self._sign("form", session.id)

    def is_form_token(self, session: Session, token: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(token.encode(), self.form_token(session).encode())

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()
