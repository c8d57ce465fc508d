"""Log in with the studio's token, and log out."""

from starlette.responses import Response

from preannotate.studio.errors import PageError
from preannotate.studio.web.access.authentication import own_path
from preannotate.studio.web.access.sessions import LOGIN, change_session
from preannotate.studio.web.page_request import Form, PageRequest, go_to

# Of a browser that has logged in before.
_KNOWN = "preannotate-studio-known"
_KNOWN_SECONDS = 365 * 24 * 3600


def show(request: PageRequest) -> Response:
    """Show the login page."""
    if not request.app.authenticator.required or request.session.admitted:
        return go_to(own_path(request.query("next")))
    return _page(request, Form(), own_path(request.query("next")))


def enter(request: PageRequest) -> Response:
    """Check the token and log in."""
    login, sessions = request.app.authenticator, request.app.sessions
    if not login.required:
        return go_to("/")
    target = own_path(request.field("next"))
    address = request.raw.client.host if request.raw.client else ""
    known = request.raw.cookies.get(_KNOWN, "")
    form = Form()
    if wait := login.wait_seconds(address, known):
        form.add_error("token", f"Too many wrong tokens. Try again in {wait} s.")
        response = _page(request, form, target, 429)
        response.headers["retry-after"] = str(wait)
        return response
    if not login.admits(address, request.secret("token"), known):
        form.add_error("token", "Wrong token; expected the one that the studio was started with.")
        return _page(request, form, target, 401)
    sessions.end(request.session)
    change_session(request.raw, sessions.begin(admitted=True))
    response = go_to(target)
    secure = "https" in (request.raw.url.scheme, request.raw.headers.get("x-forwarded-proto"))
    response.set_cookie(
        _KNOWN, login.known_cookie(), _KNOWN_SECONDS, path=LOGIN, secure=secure, httponly=True, samesite="strict"
    )
    return response


def leave(request: PageRequest) -> Response:
    """Log out."""
    if not request.app.authenticator.required:
        raise PageError(404, "No login", "This studio has no login, so there is nothing to log out from.")
    request.app.sessions.end(request.session)
    change_session(request.raw, request.app.sessions.begin(admitted=False))
    return go_to(LOGIN, done="logged-out")


def _page(request: PageRequest, form: Form, target: str, status: int = 200) -> Response:
    return request.page("login.html", status, form=form, next=target)
