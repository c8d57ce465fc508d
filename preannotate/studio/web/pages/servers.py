"""Saved CVAT servers: add, log in again, remove; and previews and counts of their tasks."""

from collections.abc import Sequence

from starlette.responses import Response

from preannotate.core.errors import PreannotateError
from preannotate.studio.servers import LoginKind, SavedServer
from preannotate.studio.web.page_request import Form, PageRequest, found_or_404, go_to

_FIELDS = ("name", "url", "user", "organization", "profile", "way")


def empty_form() -> Form:
    """Return the empty form of a new server."""
    return Form.initial(name="", url="", user="", organization="", profile="", way=LoginKind.TOKEN, insecure=False)


def profiles(request: PageRequest) -> list[tuple[str, str]]:
    """Return (value, text) of the cvat-cli profiles, for a list."""
    return [(name, f"{name} ({url})") for name, url in request.services.servers.profiles().items()]


def show_add(request: PageRequest, form: Form | None = None, status: int = 200) -> Response:
    """Show the form of a new server, empty or with its errors."""
    then = request.field("then") or request.query("then")
    return request.page(
        "server_add.html",
        status,
        form=form or empty_form(),
        profiles=profiles(request),
        then="new" if then == "new" else "",
    )


def add(request: PageRequest) -> Response:
    """Log in to a new server and save it."""
    form = _submitted(request, _FIELDS, boxes=("insecure",))
    _check(request, form)
    if not form.errors:
        with form.errors_at(""):
            server = _add(request, form)
            if request.field("then") == "new":
                return go_to("/new/tasks", server=server.id, done="server-added")
            return go_to("/settings", done="server-added")
    return show_add(request, form, 422)


def show(request: PageRequest) -> Response:
    """Show one server with its login."""
    return request.page("server.html", server=_server(request), form=Form.initial(way=LoginKind.TOKEN, user=""))


def log_in(request: PageRequest) -> Response:
    """Replace the login of a server."""
    server = _server(request)
    form = _submitted(request, ("way", "user"))
    _check_login(request, form)
    if not form.errors:
        with form.errors_at(""):
            request.services.servers.log_in(server.id, **_login(request, form))
            return go_to(f"/servers/{server.id}", done="server-login")
    return request.page("server.html", 422, server=_server(request), form=form)


def ask_remove(request: PageRequest) -> Response:
    """Ask for confirmation."""
    server = _server(request)
    return request.confirm(
        f"Remove {server.name}?",
        f"The studio deletes the address {server.url} and its login. Nothing changes in CVAT; models and finished "
        f"runs are kept. Runs in the queue that need this server cannot start.",
        button="Remove server",
    )


def remove(request: PageRequest) -> Response:
    """Remove a server."""
    request.services.servers.remove(_server(request).id)
    return go_to("/settings", done="server-removed")


def preview(request: PageRequest) -> Response:
    """Return the preview of a task."""
    try:
        content, kind = request.services.catalogue.preview(request.number("server"), request.number("task"))
    except PreannotateError:
        return Response(status_code=404)
    return Response(content, media_type=kind, headers={"content-security-policy": "default-src 'none'; sandbox"})


def boxes(request: PageRequest) -> Response:
    """Return a piece of a page: the boxes of a task by label."""
    try:
        detail = request.services.catalogue.detail(request.number("server"), [request.number("task")])
    except PreannotateError as error:
        return request.page("_boxes.html", detail=None, sentence=str(error))
    return request.page("_boxes.html", detail=detail, sentence="")


def saved_server(request: PageRequest, number: int) -> SavedServer:
    """Return a saved server; a PageError 404 if there is none with this id."""
    return found_or_404("Server not found", request.services.servers.get, number)


def _server(request: PageRequest) -> SavedServer:
    return saved_server(request, request.number("server"))


def _submitted(request: PageRequest, names: Sequence[str], *, boxes: Sequence[str] = ()) -> Form:
    """Return the submitted form; a password without a token means login by password, whatever is selected."""
    form = Form.submitted(request, names, boxes=boxes)
    if form.values["way"] == LoginKind.TOKEN and not request.secret("token").strip() and request.secret("password"):
        form.values["way"] = LoginKind.PASSWORD
    return form


def _check(request: PageRequest, form: Form) -> None:
    if form.values["way"] == LoginKind.PROFILE:
        if not form.values["profile"]:
            form.add_error("profile", "Profile: none chosen; expected one from the list.")
        return
    if not form.values["url"]:
        form.add_error("url", "CVAT address: empty; expected a URL such as https://cvat.example.org.")
    _check_login(request, form)


def _check_login(request: PageRequest, form: Form) -> None:
    if form.values["way"] not in (LoginKind.TOKEN, LoginKind.PASSWORD):
        form.add_error("way", "Login: none chosen; expected an access token, or user name and password.")
    elif form.values["way"] == LoginKind.TOKEN and not request.secret("token").strip():
        form.add_error("token", "Access token: empty; expected one from CVAT's page Profile, Security.")
    elif form.values["way"] == LoginKind.PASSWORD:
        if not form.values["user"]:
            form.add_error("user", "User name: empty; expected your user name in CVAT.")
        if not request.secret("password"):
            form.add_error("password", "Password: empty; expected your password in CVAT.")


def _login(request: PageRequest, form: Form) -> dict[str, str]:
    if form.values["way"] == LoginKind.TOKEN:
        return {"token": request.secret("token").strip()}
    return {"user": form.values["user"], "password": request.secret("password")}


def _add(request: PageRequest, form: Form) -> SavedServer:
    values = form.values
    if values["way"] == LoginKind.PROFILE:
        return request.services.servers.add_profile(values["profile"], values["name"])
    return request.services.servers.add(
        values["name"],
        values["url"],
        **_login(request, form),
        organization=values["organization"] or None,
        insecure=bool(values["insecure"]),
    )
