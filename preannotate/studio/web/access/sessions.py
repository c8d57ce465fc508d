"""Sessions as signed cookies, the CSRF tokens of their forms, and the redirect to the login page.

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
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from preannotate.studio.web.access.authentication import Authenticator
from preannotate.studio.web.access.form_body import SAFE_METHODS

MAX_AGE_SECONDS = 7 * 24 * 3600
_FORM = re.compile(r"([0-9a-f]{32})\.(\d{1,12})\.([01])\.([0-9a-f]{64})")
# Ended sessions that are remembered; the oldest are dropped long after their cookies have expired.
_MOST_ENDED = 10_000


@dataclass(frozen=True)
class Session:
    """The session of a browser: when it was made, in seconds since 1970, and whether the browser is logged in."""

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


# What the login page needs, and a probe that learns only that the studio runs.
LOGIN, HEALTH = "/login", "/healthz"
_OPEN = (LOGIN, HEALTH)
_OPEN_FOLDER = "/static/"
_SESSION, _NEW = "studio.session", "studio.new_session"


class SessionMiddleware:
    """ASGI middleware that starts sessions, and requires a login if there is a token."""

    def __init__(self, app: ASGIApp, sessions: Sessions, authenticator: Authenticator, cookie: str) -> None:
        """Wrap `app`; `cookie` is the name of the session cookie."""
        self._app = app
        self._sessions = sessions
        self._authenticator = authenticator
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope)
        found = self._sessions.read(request.cookies.get(self._cookie, ""))
        session = found or self._sessions.begin(admitted=False)
        scope[_SESSION], scope[_NEW] = session, session if found is None else None
        path = scope["path"]
        is_open = path in _OPEN or path.startswith(_OPEN_FOLDER)
        locked = self._authenticator.required and not session.admitted and not is_open
        response: ASGIApp = _to_login(request) if locked else self._app

        async def with_cookie(message: Message) -> None:
            new: Session | None = scope[_NEW]
            if message["type"] == "http.response.start" and new is not None and not path.startswith(_OPEN_FOLDER):
                # A client that sets it wrongly only loses its own cookie.
                secure = "https" in (scope["scheme"], request.headers.get("x-forwarded-proto"))
                MutableHeaders(scope=message).append("set-cookie", self._set_cookie(new, secure=secure))
            await send(message)

        await response(scope, receive, with_cookie)

    def _set_cookie(self, session: Session, *, secure: bool) -> str:
        value, mark = self._sessions.cookie(session), "; Secure" if secure else ""
        return f"{self._cookie}={value}; Path=/; Max-Age={MAX_AGE_SECONDS}; HttpOnly; SameSite=Strict{mark}"


def session_of(request: Request) -> Session:
    """Return the session of a request."""
    return request.scope[_SESSION]


def change_session(request: Request, session: Session) -> None:
    """Replace the session of the browser with this answer."""
    request.scope[_SESSION] = request.scope[_NEW] = session


def _to_login(request: Request) -> Response:
    # The script that refreshes a part of a page must not put the login page in its place.
    if request.method not in SAFE_METHODS or request.headers.get("x-requested-with"):
        return PlainTextResponse("Not logged in; expected a login. Reload the page.", 401)
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{LOGIN}?next={quote(target, safe='')}" if target != "/" else LOGIN, 303)
