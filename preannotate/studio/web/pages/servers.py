"""Saved CVAT servers: added, logged in again, removed; and what their tasks look like."""

from collections.abc import Sequence

from starlette.responses import Response

from preannotate.core.errors import PreannotateError
from preannotate.studio.errors import StudioError
from preannotate.studio.servers import SavedServer
from preannotate.studio.web.forms import Form
from preannotate.studio.web.visit import PageError, Visit, go_to

NAMES = ("name", "url", "user", "organization", "profile", "way")
BOXES = ("insecure",)
# Ways to log in, as the form names them.
TOKEN, PASSWORD, PROFILE = "token", "password", "profile"
_PREVIEW_KINDS = ("image/jpeg", "image/png", "image/webp")


def empty_form() -> Form:
    """The form for a new server."""
    return Form.of(name="", url="", user="", organization="", profile="", way=TOKEN, insecure=False)


def profiles(visit: Visit) -> list[tuple[str, str]]:
    """(value, text) of the profiles of cvat-cli, for a list."""
    return [(one.name, f"{one.name} ({one.url})") for one in visit.studio.servers.profiles()]


def show_add(visit: Visit) -> Response:
    """The form for a new server."""
    return _add_page(visit, empty_form())


def add(visit: Visit) -> Response:
    """Log in and save."""
    form = _sent(visit, NAMES, boxes=BOXES)
    _check(visit, form)
    if not form.errors:
        try:
            server = _add(visit, form)
        except PreannotateError as error:
            form.wrong("", error)
        else:
            if visit.field("then") == "new":
                return go_to("/new/tasks", server=server.id, done="server-added")
            return go_to("/settings", done="server-added")
    return _add_page(visit, form, 422)


def show(visit: Visit) -> Response:
    """One server: its login, and how to forget it."""
    return visit.page("server.html", server=_server(visit), form=Form.of(way=TOKEN, user=""))


def log_in(visit: Visit) -> Response:
    """Replace the login."""
    server = _server(visit)
    form = _sent(visit, ("way", "user"))
    _check_login(visit, form)
    if not form.errors:
        try:
            visit.studio.servers.log_in(server.id, **_login(visit, form))
        except PreannotateError as error:
            form.wrong("", error)
        else:
            return go_to(f"/servers/{server.id}", done="server-login")
    return visit.page("server.html", 422, server=_server(visit), form=form)


def ask_remove(visit: Visit) -> Response:
    """Really?"""
    server = _server(visit)
    return visit.page(
        "confirm.html",
        title=f"Forget {server.name}?",
        text=f"The studio forgets the address {server.url} and its login. Nothing changes in CVAT; models and finished "
        f"runs stay. Runs that wait for this server cannot start any more.",
        action=f"/servers/{server.id}/remove",
        button="Forget this server",
        back=f"/servers/{server.id}",
    )


def remove(visit: Visit) -> Response:
    """Forget it."""
    visit.studio.servers.remove(_server(visit).id)
    return go_to("/settings", done="server-removed")


def preview(visit: Visit) -> Response:
    """The picture of a task."""
    try:
        content, kind = visit.studio.catalogue.preview(_number(visit, "server"), _number(visit, "task"))
    except PreannotateError:
        return Response(status_code=404)
    if kind not in _PREVIEW_KINDS:
        return Response(status_code=404)
    return Response(content, media_type=kind, headers={"content-security-policy": "default-src 'none'; sandbox"})


def boxes(visit: Visit) -> Response:
    """A piece of a page: boxes of a task by label."""
    try:
        detail = visit.studio.catalogue.task(_number(visit, "server"), _number(visit, "task"))
    except PreannotateError as error:
        return visit.page("_boxes.html", detail=None, sentence=str(error))
    return visit.page("_boxes.html", detail=detail, sentence="")


def _number(visit: Visit, name: str) -> int:
    return visit.request.path_params[name]


def _server(visit: Visit) -> SavedServer:
    try:
        return visit.studio.servers.get(_number(visit, "server"))
    except StudioError as error:
        raise PageError(404, "No such server", str(error)) from error


def _add_page(visit: Visit, form: Form, status: int = 200) -> Response:
    then = visit.field("then") or visit.query("then")
    return visit.page(
        "server_add.html",
        status,
        form=form,
        profiles=profiles(visit),
        then="new" if then == "new" else "",
    )


def _sent(visit: Visit, names: Sequence[str], *, boxes: Sequence[str] = ()) -> Form:
    """What was typed; who fills in a user and a password means them, whatever is marked."""
    form = Form.sent(visit, names, boxes=boxes)
    if form.values["way"] == TOKEN and not visit.secret("token").strip() and visit.secret("password"):
        form.values["way"] = PASSWORD
    return form


def _check(visit: Visit, form: Form) -> None:
    if form.values["way"] == PROFILE:
        if not form.values["profile"]:
            form.wrong("profile", "Profile: none chosen; expected one of the list.")
        return
    if not form.values["url"]:
        form.wrong("url", "Address: empty; expected that of CVAT, as in https://cvat.example.org.")
    _check_login(visit, form)


def _check_login(visit: Visit, form: Form) -> None:
    if form.values["way"] not in (TOKEN, PASSWORD):
        form.wrong("way", "Login: none chosen; expected an access token, or user and password.")
    elif form.values["way"] == TOKEN and not visit.secret("token").strip():
        form.wrong("token", "Access token: empty; expected one. CVAT makes it under Profile, Security.")
    elif form.values["way"] == PASSWORD:
        if not form.values["user"]:
            form.wrong("user", "User: empty; expected your name in CVAT.")
        if not visit.secret("password"):
            form.wrong("password", "Password: empty; expected yours in CVAT.")


def _login(visit: Visit, form: Form) -> dict[str, str]:
    if form.values["way"] == TOKEN:
        return {"token": visit.secret("token").strip()}
    return {"user": form.values["user"], "password": visit.secret("password")}


def _add(visit: Visit, form: Form) -> SavedServer:
    values = form.values
    if values["way"] == PROFILE:
        return visit.studio.servers.add_profile(values["profile"], values["name"])
    return visit.studio.servers.add(
        values["name"],
        values["url"],
        **_login(visit, form),
        organization=values["organization"] or None,
        insecure=bool(values["insecure"]),
    )
