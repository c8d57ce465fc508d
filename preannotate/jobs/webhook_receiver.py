"""CVAT's webhooks: each is checked, and at most brings the next poll of CVAT forward.

Nothing else that a delivery says is believed, so it does not matter whether it comes twice, late or never.
"""

import asyncio
import hmac
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from preannotate.notifications.webhook import SIGNATURE_HEADER, signature
from preannotate.pipeline.run_request import RunRequest

PATH, HEALTH = "/cvat", "/health"
# Fields of a run request, and where a delivery has the number of its job, task and project.
_NUMBERS = {"jobs": "id", "tasks": "task_id", "projects": "project_id"}
EVENT = "update:job"
# A job in JSON has some kilobytes.
MAX_BODY_BYTES = 1 << 20
# CVAT itself waits no longer for the response.
SECONDS = 10.0
# Between two lines about rejected deliveries.
REJECTIONS_SECONDS = 60.0
_MAX_CHARACTERS = 120
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeliveryResult:
    """What becomes of a delivery: the status of the response, a line for the log and the sender, whether to poll."""

    status: int
    line: str
    poll_now: bool = False


def check_delivery(body: bytes, signed: str | None, *, secret: str, watched: RunRequest) -> DeliveryResult:
    """Return what to do with a delivery; a pure function.

    Args:
        body: As received: the signature is that of these bytes.
        signed: The header with the signature; None if there is none.
        secret: "" accepts everything.
        watched: Names the jobs that count.
    """
    if secret and not hmac.compare_digest((signed or "").encode(), signature(secret, body).encode()):
        return DeliveryResult(
            401, f"missing or wrong {SIGNATURE_HEADER}; expected one made with the secret of this watch"
        )
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return DeliveryResult(400, "not JSON; expected a delivery of CVAT")
    event = content.get("event") if isinstance(content, dict) else None
    if event == "ping":
        return DeliveryResult(200, "ping")
    if not isinstance(event, str):
        return DeliveryResult(400, "no event; expected a delivery of CVAT")
    if event != EVENT:
        return DeliveryResult(204, f"ignored: {_short(event)}")
    # CVAT leaves `before_update` out of a save that changed nothing.
    job, before = content.get("job"), content.get("before_update", {})
    if not isinstance(job, dict) or not isinstance(before, dict):
        return DeliveryResult(400, f"{EVENT} without a job; expected a delivery of CVAT")
    number = _short(job.get("id"))
    if not any(_number(job, key) in getattr(watched, names) for names, key in _NUMBERS.items()):
        return DeliveryResult(204, f"ignored: job {number} is not watched")
    if "state" not in before:
        return DeliveryResult(204, f"ignored: job {number} was saved, its state did not change")
    if job.get("state") != "completed":
        return DeliveryResult(204, f"ignored: job {number} is {_short(job.get('state'))}")
    return DeliveryResult(202, f"job {number} is completed", poll_now=True)


class RejectionLog:
    """Limits the log to one line a minute about rejected deliveries: strangers must not fill it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged_at = -math.inf
        self._unlogged = 0

    def line(self, text: str) -> str:
        """Return what to log; "" for nothing."""
        if self._clock() - self._logged_at < REJECTIONS_SECONDS:
            self._unlogged += 1
            return ""
        more = f" ({self._unlogged} more were rejected before)" if self._unlogged else ""
        self._logged_at, self._unlogged = self._clock(), 0
        return f"{text}{more}"


def webhook_app(*, secret: str, watched: Callable[[], RunRequest], poll_now: Callable[[], None]) -> ASGIApp:
    """Return the ASGI app; `secret` "" accepts everything, `poll_now` must return at once."""
    rejections = RejectionLog()

    async def respond(request: Request) -> Response:
        if request.url.path == HEALTH and request.method in ("GET", "HEAD"):
            return PlainTextResponse("ok\n")
        if request.url.path != PATH:
            return PlainTextResponse(f"expected {PATH}\n", 404)
        if request.method != "POST":
            return PlainTextResponse("expected POST\n", 405, {"Allow": "POST"})
        try:
            async with asyncio.timeout(SECONDS):
                body = await _body(request)
        except (TimeoutError, ClientDisconnect):
            return PlainTextResponse("the body did not arrive in time\n", 408)
        if body is None:
            result = DeliveryResult(413, f"more than {MAX_BODY_BYTES} bytes; expected a delivery of CVAT")
        else:
            result = check_delivery(body, request.headers.get(SIGNATURE_HEADER), secret=secret, watched=watched())
        if result.status < 400:
            _LOG.info("webhook: %s.", result.line)
        elif line := rejections.line(result.line):
            _LOG.warning("webhook: %s.", line)
        if result.poll_now:
            poll_now()
        if result.status == 204:
            return Response(status_code=204)
        return PlainTextResponse(f"{result.line}\n", result.status)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await respond(Request(scope, receive))
        await response(scope, receive, send)

    return app


async def _body(request: Request) -> bytes | None:
    """Return all of it; None if it is too large, and then no more of it is read."""
    declared = request.headers.get("Content-Length", "0")
    if not declared.isdecimal() or int(declared) > MAX_BODY_BYTES:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _number(content: dict[str, Any], name: str) -> int | None:
    """Return a number; True, which equals 1, is none."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _short(value: object) -> str:
    """Return what a stranger wrote, fit for a log."""
    return ascii(value)[:_MAX_CHARACTERS]
