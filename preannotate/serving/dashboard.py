"""The endpoints of nuclio's dashboard that CVAT calls, and /healthz.

CVAT lists functions, reads one before each call, and calls it either here or on the function's own port. What CVAT
puts into the headers beside the function's name (project, namespace) does not matter: everything here is for it.
"""

import asyncio
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from preannotate.core.durations import seconds
from preannotate.serving.access import is_admitted
from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.invocation import JsonReply, invoke
from preannotate.serving.pool import FunctionState
from preannotate.serving.registry import FunctionRegistry

# Open to everybody, so that a probe needs no token.
HEALTH = "/healthz"


def dashboard_app(registry: FunctionRegistry, body_budget: BodyBudget) -> Starlette:
    """Return the ASGI app in front of a registry; `body_budget` counts the bodies of its requests."""
    # Calls that CVAT no longer waits for: their workers finish, and nobody reads the answer.
    abandoned: set[asyncio.Task[Response]] = set()

    async def list_functions(request: Request) -> Response:
        return JsonReply({name: found.listing() for name, found in registry.functions.items()})

    async def get_function(request: Request) -> Response:
        name = request.path_params["name"]
        function = registry.functions.get(name)
        return JsonReply(function.listing()) if function is not None else _unknown(name)

    async def invoke_function(request: Request) -> Response:
        name = request.headers.get("x-nuclio-function-name", "")
        if not name:
            return _error(400, "x-nuclio-function-name: header missing; expected the name of a function.")
        function = registry.functions.get(name)
        if function is None:
            return _unknown(name)
        client_gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        path = request.headers.get("x-nuclio-path") or "/"
        call = asyncio.ensure_future(invoke(function, request, path, body_budget, client_gone))
        timeout = seconds(request.headers.get("x-nuclio-invoke-timeout", ""))
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
        functions = {name: found.health() for name, found in registry.functions.items()}
        well = all(found["state"] in (FunctionState.READY, FunctionState.BUILDING) for found in functions.values())
        status = "ok" if well and not registry.problems else "degraded"
        if not is_admitted(request.scope):  # enough for a probe; paths and causes are not for everybody
            return JsonReply({"status": status})
        return JsonReply({"status": status, "functions": functions, "problems": registry.problems})

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
            Route(HEALTH, health),
        ],
        exception_handlers=handlers,
    )
    app.router.redirect_slashes = False  # the target would be made of whatever the client calls this host
    return app


def _unknown(name: str) -> Response:
    return _error(404, f"{name}: no such function; expected one of /api/functions.")


def _error(status: int, sentence: str) -> Response:
    return JsonReply({"error": sentence}, status)
