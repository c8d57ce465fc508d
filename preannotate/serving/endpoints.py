"""The HTTP endpoints that CVAT calls: those of nuclio's dashboard with /healthz, and the port of each function.

CVAT lists functions, reads one before each call, and calls it either on the dashboard or on the function's own port.
What CVAT puts into the headers beside the function's name (project, namespace) does not matter: everything here is
for it.

A server with a token answers only callers that send it, as the password of HTTP's basic authentication with any user
name, or as a bearer token. The first is what CVAT can send without any change: Python's `requests`, which it uses,
reads the password for a host from a .netrc file. A token is no encryption; on an untrusted network a proxy with TLS
has to stand in front.
"""

import asyncio
import base64
import binascii
import hmac
import json
import time
import uuid
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from preannotate.core.text import parse_duration
from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.connection_limiter import customer
from preannotate.serving.errors import InvocationError
from preannotate.serving.registry import FunctionRegistry, ServedFunction

# Both need no token: they are for the probes of whatever watches over this server. The second is nuclio's.
_HEALTH = "/healthz"
_FUNCTION_HEALTH = "/__internal/health"
_ADMITTED = "preannotate.admitted"
_WITHOUT_BODY = (204, 205, 304)


def dashboard_app(registry: FunctionRegistry, body_budget: BodyBudget, token: str | None = None) -> ASGIApp:
    """Return the ASGI app with the endpoints of nuclio's dashboard; a `token` of None lets everybody in."""
    # Calls that CVAT no longer waits for: their workers finish, and nobody reads the answer.
    abandoned: set[asyncio.Task[Response]] = set()

    async def list_functions(request: Request) -> Response:
        return _Json({name: found.listing() for name, found in registry.functions.items()})

    async def get_function(request: Request) -> Response:
        name = request.path_params["name"]
        function = registry.functions.get(name)
        return _Json(function.listing()) if function is not None else _unknown(name)

    async def invoke_function(request: Request) -> Response:
        name = request.headers.get("x-nuclio-function-name", "")
        if not name:
            return _error(400, "x-nuclio-function-name: header missing; expected the name of a function.")
        function = registry.functions.get(name)
        if function is None:
            return _unknown(name)
        client_gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        path = request.headers.get("x-nuclio-path") or "/"
        answer = _invoke(function, request, path, body_budget, client_gone)
        timeout = parse_duration(request.headers.get("x-nuclio-invoke-timeout", ""))
        if timeout is None:
            response = await answer
        else:
            call = asyncio.ensure_future(answer)
            abandoned.add(call)
            call.add_done_callback(abandoned.discard)
            done, _ = await asyncio.wait([call], timeout=timeout)
            if not done:
                if not client_gone.done():
                    client_gone.set_result(None)
                return _error(504, f"{name}: no answer within {timeout:g} s, the limit that the caller set. Try again.")
            response = call.result()
        for header in [key for key in response.headers if key.startswith("x-nuclio-")]:
            del response.headers[header]  # nuclio's dashboard keeps them to itself
        return response

    async def health(request: Request) -> Response:
        found = registry.functions.values()
        well = not registry.problems and not any(function.problem for function in found)
        content: dict[str, Any] = {"status": "ok" if well else "degraded"}
        if request.scope.get(_ADMITTED, True):  # a probe needs no more; paths and causes are not for everybody
            functions = {function.name: function.health() for function in found}
            content |= {"functions": functions, "problems": registry.problems}
        return _Json(content, 503 if found and not any(function.can_answer for function in found) else 200)

    async def not_found(request: Request, error: Exception) -> Response:
        return _error(404, f"{request.scope['path']}: not found; expected /api/functions or /healthz.")

    async def wrong_method(request: Request, error: Exception) -> Response:
        return _error(405, f"{request.scope['path']}: {request.method} is not allowed here.")

    handlers: dict[Any, Any] = {404: not_found, 405: wrong_method}
    app = Starlette(
        routes=[
            Route("/api/functions", list_functions),
            Route("/api/functions/{name}", get_function),
            Route("/api/function_invocations", invoke_function, methods=["POST"]),
            Route(_HEALTH, health),
        ],
        exception_handlers=handlers,
    )
    app.router.redirect_slashes = False  # the target would be made of whatever the client calls this host
    return _guarded(app, token, _HEALTH)


def function_app(function: ServedFunction, body_budget: BodyBudget, token: str | None = None) -> ASGIApp:
    """Return the ASGI app of a function's own port: any method and path calls it; see `dashboard_app`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request, path = Request(scope, receive), scope["path"]
        if request.method == "CONNECT":  # an answer of 200 would make the connection a tunnel
            response = _error(405, "CONNECT is not allowed here; expected a request to a function.")
        elif path == _FUNCTION_HEALTH:
            response = Response(status_code=200 if function.can_answer else 503)
        else:
            client_gone = asyncio.get_running_loop().create_future()
            response = await _invoke(function, request, path, body_budget, client_gone)
        await response(scope, receive, send)

    return _guarded(app, token, _FUNCTION_HEALTH)


def _guarded(app: ASGIApp, token: str | None, open_path: str) -> ASGIApp:
    """Return an app that lets only callers with the token through, who may be anybody on the open path.

    `app` gets no Authorization header; scope[_ADMITTED] is whether the caller sent the token.
    """
    if token is None:
        return app
    expected = token.encode("ascii")

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        admitted = any(_admits(value, expected) for name, value in scope["headers"] if name == b"authorization")
        if not admitted and scope["path"] != open_path:
            sentence = "Authorization: missing or wrong token; expected the token of this server."
            reply = _Json({"error": sentence}, 401, {"WWW-Authenticate": 'Basic realm="preannotate"'})
            await reply(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        await app({**scope, "headers": headers, _ADMITTED: admitted}, receive, send)

    return guard


def _admits(header: bytes, token: bytes) -> bool:
    scheme, _, credentials = header.partition(b" ")
    given = credentials.strip()
    if scheme.lower() == b"basic":
        try:
            given = base64.b64decode(given, validate=True).partition(b":")[2]
        except binascii.Error:
            return False
    elif scheme.lower() != b"bearer":
        return False
    return hmac.compare_digest(given, token)


class _Json(JSONResponse):
    """JSON in ASCII: a cause or a path may hold what UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False).encode("ascii")


def _unknown(name: str) -> Response:
    return _error(404, f"{name}: no such function; expected one of /api/functions.")


def _error(status: int, sentence: str) -> Response:
    return _Json({"error": sentence}, status)


async def _invoke(
    function: ServedFunction,
    request: Request,
    path: str,
    body_budget: BodyBudget,
    client_gone: "asyncio.Future[None]",
) -> Response:
    """Call a function as nuclio's HTTP trigger does: all but the path reaches the handler unchanged.

    `client_gone` is to be set once nobody waits for the answer any more; a client that disconnects sets it, too.
    """
    largest, declared = function.config.max_body_bytes, _declared_length(request)
    try:
        client = customer(request.scope.get("client"))
        async with body_budget.read(request.receive, function.name, largest, declared, client) as body:
            watch = asyncio.create_task(_watch_client(request.receive, client_gone))
            try:
                reply = await function.invoke(_event(request, path), body, client_gone)
            finally:
                watch.cancel()
    except InvocationError as error:
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return _Json({"error": str(error)}, error.status, headers)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return Response(b"" if reply.status in _WITHOUT_BODY else reply.body, reply.status, headers)


async def _watch_client(receive: Receive, client_gone: "asyncio.Future[None]") -> None:
    """Resolve `client_gone` when the client disconnects; after its body it sends nothing else."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if not client_gone.done():
        client_gone.set_result(None)


def _declared_length(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _url(request: Request) -> str:
    host = request.headers.get("host", "localhost")  # any text: it is not parsed here
    query = request.scope.get("query_string", b"").decode("latin-1")
    return f"{request.scope['scheme']}://{host}{quote(request.scope['path'])}{'?' if query else ''}{query}"


def _event(request: Request, path: str) -> dict[str, Any]:
    """Return the keys of a nuclio event that come from the HTTP request."""
    return {
        "id": str(uuid.uuid4()),
        "timestamp": int(time.time()),
        "method": request.method,
        "path": path,
        "url": _url(request),
        "fields": dict(request.query_params),
        # nuclio's server writes the names of headers so.
        "headers": {
            "-".join(part.capitalize() for part in name.split("-")): value for name, value in request.headers.items()
        },
        "content_type": request.headers.get("content-type", ""),
        "shard_id": 0,
        "num_shards": 0,
        "type": "",
        "type_version": "",
        "version": "",
    }
