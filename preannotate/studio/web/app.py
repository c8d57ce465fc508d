"""The studio as an ASGI app: the table of its pages, and the middleware in front of them."""

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from preannotate.studio.services import Services
from preannotate.studio.web.access.authentication import Authenticator
from preannotate.studio.web.access.headers import AllowedHostsMiddleware, SecurityHeadersMiddleware
from preannotate.studio.web.access.sessions import HEALTH, LOGIN, SessionMiddleware, Sessions
from preannotate.studio.web.page_request import CVAT_THREADS, AppContext, PageRequest, answer_request, error_page
from preannotate.studio.web.pages import login as login_page
from preannotate.studio.web.pages import (
    models,
    runs,
    servers,
    settings,
    use_model,
    wizard,
    wizard_start,
)
from preannotate.studio.web.rendering import STATIC

_LOG = logging.getLogger(__name__)
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
PageFunction = Callable[[PageRequest], Response]


class _Number(Convertor[int]):
    """A number in a path that the database can hold; the path with a longer one is not found."""

    regex = "[0-9]{1,15}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())


@dataclass(frozen=True)
class AccessPolicy:
    """Who may use the studio, and for what.

    Attributes:
        names: Allowed host names.
        numbers: Whether any IP address is allowed as well.
        token: Of the login; "" requires no login.
        key: Signs sessions.
        cookie: Name of the session cookie; two studios of one machine need two.
        files_anywhere: Whether weights outside the workspace may be named.
        live_seconds: Refresh interval of a page with active runs.
    """

    names: Sequence[str]
    numbers: bool
    token: str
    key: bytes
    cookie: str = "preannotate-studio"
    files_anywhere: bool = True
    live_seconds: float = 2.0


# path: (page for GET, page for POST, whether it may wait for CVAT)
PAGES: dict[str, tuple[PageFunction | None, PageFunction | None, bool]] = {
    "/": (runs.show_home, None, False),
    LOGIN: (login_page.show, login_page.enter, False),
    "/logout": (None, login_page.leave, False),
    "/new": (wizard.choose_server, None, False),
    "/new/tasks": (wizard.choose_tasks, None, True),
    "/new/model": (wizard.choose_model, None, True),
    "/new/start": (wizard_start.show, wizard_start.place, True),
    "/servers/add": (servers.show_add, servers.add, True),
    "/servers/{server:number}": (servers.show, None, False),
    "/servers/{server:number}/login": (None, servers.log_in, True),
    "/servers/{server:number}/remove": (servers.ask_remove, servers.remove, False),
    "/servers/{server:number}/tasks/{task:number}/preview": (servers.preview, None, True),
    "/servers/{server:number}/tasks/{task:number}/boxes": (servers.boxes, None, True),
    "/runs": (runs.show_all, None, False),
    "/runs/{run:number}": (runs.show, None, False),
    "/runs/{run:number}/log": (runs.log, None, False),
    "/runs/{run:number}/files/{file}": (runs.result, None, False),
    "/runs/{run:number}/stop": (None, runs.stop, False),
    "/runs/{run:number}/resume": (None, runs.resume, False),
    "/runs/{run:number}/delete": (runs.ask_delete, runs.delete, False),
    "/models": (models.show_all, None, False),
    "/models/{name}": (models.show, None, False),
    "/models/{name}/publish": (None, models.publish, False),
    "/models/{name}/unpublish": (models.ask_unpublish, models.unpublish, False),
    "/models/{name}/roll-back": (None, models.roll_back, False),
    "/models/{name}/versions/{version:number}": (models.show_version, None, False),
    "/models/{name}/versions/{version:number}/report": (models.report, None, False),
    "/models/{name}/versions/{version:number}/report.html": (models.report_file, None, False),
    "/models/{name}/versions/{version:number}/overlays/{picture}": (models.overlay, None, False),
    "/models/{name}/versions/{version:number}/threshold": (None, models.set_threshold, False),
    "/models/{name}/{kind}": (use_model.show, use_model.place, True),
    "/settings": (settings.show, None, False),
    "/settings/mail": (None, settings.save_mail, False),
    "/settings/webhook": (None, settings.save_webhook, False),
    "/settings/studio": (None, settings.save_studio, False),
    "/settings/test": (None, settings.send_test, True),
}


def make_app(services: Services, access: AccessPolicy) -> ASGIApp:
    """Return the ASGI app of the studio, behind its middleware."""
    sessions, authenticator = Sessions(access.key), Authenticator(access.token)
    context = AppContext(services, sessions, authenticator, access.files_anywhere, access.live_seconds)
    app = Starlette(
        routes=[
            Route("/static/{file}", _static),
            Route(HEALTH, lambda request: PlainTextResponse("ok")),
            *(_route(path, *pages, context) for path, pages in PAGES.items()),
        ],
        exception_handlers=_handlers(context),
    )
    app.router.redirect_slashes = False
    guarded = SessionMiddleware(app, sessions, authenticator, access.cookie)
    return SecurityHeadersMiddleware(AllowedHostsMiddleware(guarded, access.names, numbers=access.numbers))


def _route(
    path: str, get: PageFunction | None, post: PageFunction | None, waits_for_cvat: bool, context: AppContext
) -> Route:
    # A limiter belongs to the running loop.
    limiter = functools.cache(lambda: anyio.CapacityLimiter(CVAT_THREADS))
    functions = {method: page for method, page in (("GET", get), ("POST", post)) if page is not None}

    async def answer(request: Request) -> Response:
        page = functions.get(request.method) or functions["GET"]  # HEAD
        return await answer_request(page, request, context, limiter() if waits_for_cvat else None)

    return Route(path, answer, methods=list(functions))


def _handlers(context: AppContext) -> dict[Any, Any]:
    async def not_found(request: Request, error: Exception) -> Response:
        sentence = f"{request.url.path[:200]}: no such page; expected a page of the studio. Start from the home page."
        return error_page(PageRequest(request, context), 404, "Page not found", sentence)

    async def wrong_method(request: Request, error: Exception) -> Response:
        sentence = f"{request.url.path[:200]}: {request.method} is not allowed here. Start from the home page."
        return error_page(PageRequest(request, context), 405, "Not allowed", sentence)

    async def internal_error(request: Request, error: Exception) -> Response:
        _LOG.error("%s %s", request.method, request.url.path, exc_info=error)
        sentence = (
            "An unexpected error occurred in the studio; your input did not cause it. The log of the studio has the "
            "details. Runs are not affected. Go back and try again."
        )
        return error_page(PageRequest(request, context), 500, "Internal error", sentence)

    return {404: not_found, 405: wrong_method, Exception: internal_error}


async def _static(request: Request) -> Response:
    path = STATIC / request.path_params["file"]
    if path.parent != STATIC or path.suffix not in _KINDS or not path.is_file():
        return PlainTextResponse("no such file", 404)
    # The address changes with the content.
    headers = {"cache-control": "public, max-age=31536000, immutable"} if request.query_params.get("v") else {}
    return Response(path.read_bytes(), media_type=_KINDS[path.suffix], headers=headers)
