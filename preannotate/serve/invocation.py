"""An HTTP request to a function and back: what nuclio's HTTP trigger does around the worker."""

import json
import time
import uuid
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from preannotate.serve.errors import BodyTooLarge, InvocationError
from preannotate.serve.function import Function

RETRY_AFTER_SECONDS = 1
# A client that is still sending does not read; what it sends beyond the limit is thrown away for so long.
_DISCARD_BYTES = 256 * 1024 * 1024
_WITHOUT_BODY = (204, 205, 304)


class JsonReply(JSONResponse):
    """JSON in ASCII: a cause or a path may hold what UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False).encode("ascii")


async def invoke(function: Function, request: Request, path: str) -> Response:
    """Let the function answer an HTTP request.

    Args:
        function: Answers.
        request: Its method, headers, query and body reach the handler unchanged.
        path: What the handler sees as path.
    """
    try:
        body = await _read_body(request, function)
        reply = await function.ask(_event(request, path), body)
    except InvocationError as error:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.status == 503 else None
        return JsonReply({"error": str(error)}, error.status, headers)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return Response(b"" if reply.status in _WITHOUT_BODY else reply.body, reply.status, headers)


async def direct(function: Function, request: Request) -> Response:
    """Answer on the function's own port: any method and path."""
    if request.url.path == "/__internal/health":  # nuclio's, answered without a worker
        return Response()
    return await invoke(function, request, request.url.path)


async def _read_body(request: Request, function: Function) -> bytes:
    limit = function.directory.max_body_bytes
    chunks, length = [], 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()
            if length > limit + _DISCARD_BYTES:
                break
    if length > limit:
        raise BodyTooLarge(
            f"{function.name}: the body has more than {limit} bytes; expected at most those. "
            f"Send a smaller image, or raise maxRequestBodySize in function.yaml."
        )
    return b"".join(chunks)


def _event(request: Request, path: str) -> dict[str, Any]:
    """The keys of a nuclio event that come from the HTTP request."""
    return {
        "id": str(uuid.uuid4()),
        "timestamp": int(time.time()),
        "method": request.method,
        "path": path,
        "url": str(request.url),
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
