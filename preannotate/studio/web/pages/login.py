"""Showing the studio's token, and leaving."""

from starlette.responses import Response

from preannotate.studio.web.access.gate import LOGIN, change_session
from preannotate.studio.web.access.login import own_path
from preannotate.studio.web.forms import Form
from preannotate.studio.web.visit import PageError, Visit, go_to


def show(visit: Visit) -> Response:
    """The login page."""
    if not visit.site.login.required or visit.session.admitted:
        return go_to(own_path(visit.query("next")))
    return _page(visit, Form(), own_path(visit.query("next")))


def enter(visit: Visit) -> Response:
    """Look at the token."""
    login, sessions = visit.site.login, visit.site.sessions
    if not login.required:
        return go_to("/")
    target = own_path(visit.field("next"))
    address = visit.request.client.host if visit.request.client else ""
    form = Form()
    if wait := login.wait_seconds(address):
        form.wrong("token", f"Too many wrong tokens; expected the right one. Try again in {-(-wait // 60)} min.")
        response = _page(visit, form, target, 429)
        response.headers["retry-after"] = str(wait)
        return response
    if not login.admits(address, visit.secret("token")):
        form.wrong("token", "This is not the token of this studio; expected the one that it was started with.")
        return _page(visit, form, target, 401)
    sessions.end(visit.session)
    change_session(visit.request, sessions.begin(admitted=True))
    return go_to(target)


def leave(visit: Visit) -> Response:
    """Log out."""
    if not visit.site.login.required:
        raise PageError(404, "No login", "This studio has no login; expected one to log out from.")
    visit.site.sessions.end(visit.session)
    change_session(visit.request, visit.site.sessions.begin(admitted=False))
    return go_to(LOGIN, done="logged-out")


def _page(visit: Visit, form: Form, target: str, status: int = 200) -> Response:
    return visit.page("login.html", status, form=form, next=target)
