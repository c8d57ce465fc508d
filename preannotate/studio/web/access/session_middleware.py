"""Sessions of browsers, and the login page for browsers that are not logged in."""

from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from preannotate.studio.web.access.authentication import Authenticator
from preannotate.studio.web.access.csrf import SAFE_METHODS
from preannotate.studio.web.access.sessions import MAX_AGE_SECONDS, Session, Sessions

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
    # A piece of a page that asks for itself must not get the login page in its place.
    if request.method not in SAFE_METHODS or request.headers.get("x-requested-with"):
        return PlainTextResponse("Not logged in; expected a login. Reload the page.", 401)
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{LOGIN}?next={quote(target, safe='')}" if target != "/" else LOGIN, 303)
