"""Saved CVAT servers: add, log in again, remove; and previews and counts of their tasks."""

from collections.abc import Sequence

from starlette.responses import Response

from preannotate.core.errors import PreannotateError
from preannotate.studio.errors import PageError, StudioError
from preannotate.studio.servers import SavedServer
from preannotate.studio.web.page_request import Form, PageRequest, go_to

FIELDS = ("name", "url", "user", "organization", "profile", "way")
CHECKBOXES = ("insecure",)
# Values of the form's choice of a login.
TOKEN, PASSWORD, PROFILE = "token", "password", "profile"
_PREVIEW_KINDS = ("image/jpeg", "image/png", "image/webp")


def empty_form() -> Form:
    """Return the empty form of a new server."""
    return Form.initial(name="", url="", user="", organization="", profile="", way=TOKEN, insecure=False)


def profiles(request: PageRequest) -> list[tuple[str, str]]:
    """Return (value, text) of the cvat-cli profiles, for a list."""
    return [(one.name, f"{one.name} ({one.url})") for one in request.services.servers.profiles()]


def show_add(request: PageRequest) -> Response:
    """Show the form of a new server."""
    return _add_page(request, empty_form())


def add(request: PageRequest) -> Response:
    """Log in to a new server and save it."""
    form = _sent(request, FIELDS, boxes=CHECKBOXES)
    _check(request, form)
    if not form.errors:
        try:
            server = _add(request, form)
        except PreannotateError as error:
            form.add_error("", error)
        else:
            if request.field("then") == "new":
                return go_to("/new/tasks", server=server.id, done="server-added")
            return go_to("/settings", done="server-added")
    return _add_page(request, form, 422)


def show(request: PageRequest) -> Response:
    """Show one server with its login."""
    return request.page("server.html", server=_server(request), form=Form.initial(way=TOKEN, user=""))


def log_in(request: PageRequest) -> Response:
    """Replace the login of a server."""
    server = _server(request)
    form = _sent(request, ("way", "user"))
    _check_login(request, form)
    if not form.errors:
        try:
            request.services.servers.log_in(server.id, **_login(request, form))
        except PreannotateError as error:
            form.add_error("", error)
        else:
            return go_to(f"/servers/{server.id}", done="server-login")
    return request.page("server.html", 422, server=_server(request), form=form)


def ask_remove(request: PageRequest) -> Response:
    """Ask for confirmation."""
    server = _server(request)
    return request.confirm(
        f"Remove {server.name}?",
        f"The studio deletes the address {server.url} and its login. Nothing changes in CVAT; models and finished "
        f"runs are kept. Runs in the queue that need this server cannot start.",
        action=f"/servers/{server.id}/remove",
        button="Remove server",
        back=f"/servers/{server.id}",
    )


def remove(request: PageRequest) -> Response:
    """Remove a server."""
    request.services.servers.remove(_server(request).id)
    return go_to("/settings", done="server-removed")


def preview(request: PageRequest) -> Response:
    """Return the preview of a task."""
    try:
        content, kind = request.services.catalogue.preview(_number(request, "server"), _number(request, "task"))
    except PreannotateError:
        return Response(status_code=404)
    if kind not in _PREVIEW_KINDS:
        return Response(status_code=404)
    return Response(content, media_type=kind, headers={"content-security-policy": "default-src 'none'; sandbox"})


def boxes(request: PageRequest) -> Response:
    """Return a piece of a page: the boxes of a task by label."""
    try:
        detail = request.services.catalogue.task(_number(request, "server"), _number(request, "task"))
    except PreannotateError as error:
        return request.page("_boxes.html", detail=None, sentence=str(error))
    return request.page("_boxes.html", detail=detail, sentence="")


def _number(request: PageRequest, name: str) -> int:
    return request.raw.path_params[name]


def _server(request: PageRequest) -> SavedServer:
    try:
        return request.services.servers.get(_number(request, "server"))
    except StudioError as error:
        raise PageError(404, "Server not found", str(error)) from error


def _add_page(request: PageRequest, form: Form, status: int = 200) -> Response:
    then = request.field("then") or request.query("then")
    return request.page(
        "server_add.html",
        status,
        form=form,
        profiles=profiles(request),
        then="new" if then == "new" else "",
    )


def _sent(request: PageRequest, names: Sequence[str], *, boxes: Sequence[str] = ()) -> Form:
    """Return the sent form; a password without a token means login by password, whatever is selected."""
    form = Form.submitted(request, names, boxes=boxes)
    if form.values["way"] == TOKEN and not request.secret("token").strip() and request.secret("password"):
        form.values["way"] = PASSWORD
    return form


def _check(request: PageRequest, form: Form) -> None:
    if form.values["way"] == PROFILE:
        if not form.values["profile"]:
            form.add_error("profile", "Profile: none chosen; expected one from the list.")
        return
    if not form.values["url"]:
        form.add_error("url", "CVAT address: empty; expected a URL such as https://cvat.example.org.")
    _check_login(request, form)


def _check_login(request: PageRequest, form: Form) -> None:
    if form.values["way"] not in (TOKEN, PASSWORD):
        form.add_error("way", "Login: none chosen; expected an access token, or user name and password.")
    elif form.values["way"] == TOKEN and not request.secret("token").strip():
        form.add_error("token", "Access token: empty; expected one from CVAT's page Profile, Security.")
    elif form.values["way"] == PASSWORD:
        if not form.values["user"]:
            form.add_error("user", "User name: empty; expected your user name in CVAT.")
        if not request.secret("password"):
            form.add_error("password", "Password: empty; expected your password in CVAT.")


def _login(request: PageRequest, form: Form) -> dict[str, str]:
    if form.values["way"] == TOKEN:
        return {"token": request.secret("token").strip()}
    return {"user": form.values["user"], "password": request.secret("password")}


def _add(request: PageRequest, form: Form) -> SavedServer:
    values = form.values
    if values["way"] == PROFILE:
        return request.services.servers.add_profile(values["profile"], values["name"])
    return request.services.servers.add(
        values["name"],
        values["url"],
        **_login(request, form),
        organization=values["organization"] or None,
        insecure=bool(values["insecure"]),
    )
