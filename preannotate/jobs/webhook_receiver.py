"""CVAT's webhooks: each is checked, and at most makes the next look at CVAT come sooner.

What a delivery says is not believed beyond that, so it does not matter whether it comes twice, late or never.
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

from preannotate.jobs.watched_jobs import WatchedJobs
from preannotate.notifications.webhook import SIGNATURE_HEADER, signature

PATH, HEALTH = "/cvat", "/health"
EVENT = "update:job"
# A job in JSON has some kilobytes.
LARGEST_BODY = 1 << 20
# CVAT itself waits no longer for the answer.
SECONDS = 10.0
# Between two lines about deliveries that are refused.
REFUSALS_SECONDS = 60.0
_MOST_LETTERS = 120
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeliveryResult:
    """What becomes of a delivery.

    Attributes:
        status: Of the answer.
        line: For the log and the sender.
        news: Whether to look at CVAT now.
    """

    status: int
    line: str
    news: bool = False


def check_delivery(body: bytes, said: str | None, *, secret: str, watched: WatchedJobs) -> DeliveryResult:
    """What to do with a delivery; a pure function.

    Args:
        body: As it came: the signature is that of these bytes.
        said: The header with the signature; None if there is none.
        secret: "" takes everything.
        watched: The jobs that matter.
    """
    if secret and not hmac.compare_digest((said or "").encode(), signature(secret, body).encode()):
        return DeliveryResult(
            401, f"no {SIGNATURE_HEADER}, or a wrong one; expected one made with the secret of this watch"
        )
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return DeliveryResult(400, "no JSON; expected a delivery of CVAT")
    event = content.get("event") if isinstance(content, dict) else None
    if event == "ping":
        return DeliveryResult(200, "ping")
    if not isinstance(event, str):
        return DeliveryResult(400, "no event; expected a delivery of CVAT")
    if event != EVENT:
        return DeliveryResult(204, f"passed over: {_short(event)}")
    # CVAT leaves `before_update` out of a save that changed nothing.
    job, before = content.get("job"), content.get("before_update", {})
    if not isinstance(job, dict) or not isinstance(before, dict):
        return DeliveryResult(400, f"{EVENT} without a job; expected a delivery of CVAT")
    number = _short(job.get("id"))
    if not watched.has(job=_number(job, "id"), task=_number(job, "task_id"), project=_number(job, "project_id")):
        return DeliveryResult(204, f"passed over: job {number} is not watched")
    if "state" not in before:
        return DeliveryResult(204, f"passed over: job {number} was saved, its state is what it was")
    if job.get("state") != "completed":
        return DeliveryResult(204, f"passed over: job {number} is {_short(job.get('state'))}")
    return DeliveryResult(202, f"job {number} is completed", news=True)


class RejectionLog:
    """What the log says of refused deliveries: one line a minute, for it is not strangers' to fill."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was refused yet."""
        self._clock = clock
        self._said = -math.inf
        self._silent = 0

    def line(self, text: str) -> str:
        """What to log; "" for nothing."""
        if self._clock() - self._said < REFUSALS_SECONDS:
            self._silent += 1
            return ""
        more = f" ({self._silent} more were refused before)" if self._silent else ""
        self._said, self._silent = self._clock(), 0
        return f"{text}{more}"


def webhook_app(*, secret: str, watched: Callable[[], WatchedJobs], news: Callable[[], None]) -> ASGIApp:
    """The ASGI app.

    Args:
        secret: Of the webhook; "" takes everything.
        watched: Gives the jobs that matter.
        news: Called when it is time to look at CVAT; returns at once.
    """
    refusals = RejectionLog()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await _answer(request, secret, watched, news, refusals)
        await response(scope, receive, send)

    return app


async def _answer(
    request: Request, secret: str, watched: Callable[[], WatchedJobs], news: Callable[[], None], refusals: RejectionLog
) -> Response:
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
        return PlainTextResponse("the body did not come\n", 408)
    if body is None:
        verdict = DeliveryResult(413, f"more than {LARGEST_BODY} bytes; expected a delivery of CVAT")
    else:
        verdict = check_delivery(body, request.headers.get(SIGNATURE_HEADER), secret=secret, watched=watched())
    if verdict.status < 400:
        _LOG.info("webhook: %s.", verdict.line)
    elif line := refusals.line(verdict.line):
        _LOG.warning("webhook: %s.", line)
    if verdict.news:
        news()
    return (
        Response(status_code=204) if verdict.status == 204 else PlainTextResponse(f"{verdict.line}\n", verdict.status)
    )


async def _body(request: Request) -> bytes | None:
    """All of it; None if it is too large, and then no more of it is read."""
    declared = request.headers.get("Content-Length", "0")
    if not declared.isdecimal() or int(declared) > LARGEST_BODY:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return None
    return bytes(body)


def _number(content: dict[str, Any], name: str) -> int | None:
    """A number; nothing else is one, for True equals 1."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _short(value: object) -> str:
    """What a stranger wrote, fit for a log."""
    return ascii(value)[:_MOST_LETTERS] if not isinstance(value, int) else str(value)[:_MOST_LETTERS]
