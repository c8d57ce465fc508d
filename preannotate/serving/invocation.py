"""An HTTP request to a function and back: what nuclio's HTTP trigger does around the worker."""

import asyncio
import json
import time
import uuid
from typing import Any
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive

from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.errors import InvocationError
from preannotate.serving.served_function import ServedFunction

# nuclio's, on each function's port: answered without a worker.
HEALTH = "/__internal/health"
_WITHOUT_BODY = (204, 205, 304)


class JsonReply(JSONResponse):
    """JSON in ASCII: a cause or a path may hold what UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, allow_nan=False).encode("ascii")


async def invoke(
    function: ServedFunction,
    request: Request,
    path: str,
    body_budget: BodyBudget,
    client_gone: "asyncio.Future[None] | None" = None,
) -> Response:
    """Call the function with an HTTP request.

    Args:
        function: Answers.
        request: Its method, headers, query and body reach the handler unchanged.
        path: What the handler sees as path.
        body_budget: Counts the body.
        client_gone: To be set once nobody waits for the answer any more; a client that hangs up sets it, too.
    """
    client_gone = asyncio.get_running_loop().create_future() if client_gone is None else client_gone
    largest, declared = function.config.max_body_bytes, _declared_length(request)
    try:
        async with body_budget.read(request.receive, function.name, largest, declared) as body:
            watch = asyncio.create_task(_watch_client(request.receive, client_gone))
            try:
                reply = await function.invoke(_event(request, path), body, client_gone)
            finally:
                watch.cancel()
    except InvocationError as error:
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return JsonReply({"error": str(error)}, error.status, headers)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return Response(b"" if reply.status in _WITHOUT_BODY else reply.body, reply.status, headers)


async def invoke_directly(function: ServedFunction, request: Request, body_budget: BodyBudget) -> Response:
    """Call the function with a request to its own port: any method and path."""
    path = request.scope["path"]
    if request.method == "CONNECT":  # an answer of 200 would make the connection a tunnel
        return JsonReply({"error": "CONNECT is not allowed here; expected a request to a function."}, 405)
    if path == HEALTH:
        return Response()
    return await invoke(function, request, path, body_budget)


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
