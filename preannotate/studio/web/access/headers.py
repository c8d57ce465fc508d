"""Middleware for headers: the host names under which the studio answers, and the security headers of its answers.

The names are checked against DNS rebinding: a foreign web page can let its own host name point at 127.0.0.1 and then
read the studio as if it were its own site. The Host header has that name; an IP address cannot be rebound.
"""

import ipaddress
import socket
from collections.abc import Iterable
from html import escape

from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from preannotate.core.http import LOOPBACK_NAMES

MISDIRECTED = 421


class AllowedHostsMiddleware:
    """ASGI middleware that answers only requests for known host names."""

    def __init__(self, app: ASGIApp, names: Iterable[str], *, numbers: bool) -> None:
        """Let `names`, without ports, through to `app`, and any IP address if `numbers`."""
        self._app = app
        self._names = frozenset(name.casefold() for name in names)
        self._numbers = numbers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(headers) == 1 and self._is_known(host_name(headers[0])):
            await self._app(scope, receive, send)
            return
        shown = headers[0][:100] if headers else ""
        sentence = (
            f"Host {shown!r} is not a name of this studio; expected one of: {', '.join(sorted(self._names))}. "
            f"If it is a name of this machine, start the studio with --allow-host NAME."
        )
        page = f"<!doctype html><html lang=en><title>Unknown host</title><h1>Unknown host</h1><p>{escape(sentence)}</p>"
        await HTMLResponse(page, MISDIRECTED)(scope, receive, send)

    def _is_known(self, name: str) -> bool:
        return name in self._names or (self._numbers and _is_ip_address(name))


def host_name(header: str) -> str:
    """Return the name in a Host header in lower case, without port and brackets; "" if the header is malformed."""
    name, bracket, port = header.strip().casefold().rpartition("]")
    if bracket:
        return name[1:] if name.startswith("[") and _is_port(port) else ""
    name, colon, port = header.strip().casefold().partition(":")
    return name.rstrip(".") if not colon or port.isdecimal() else ""


def names_of_this_machine() -> list[str]:
    """Return the names under which other machines may reach this one."""
    return [*LOOPBACK_NAMES, *filter(None, {socket.gethostname().casefold(), socket.getfqdn().casefold()})]


def _is_port(text: str) -> bool:
    return not text or (text.startswith(":") and text[1:].isdecimal())


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# A report is one file that has all in it. It comes from files of a run, so it gets an origin of its own, from which the
# studio cannot be reached, and neither scripts nor forms. Only the studio's own page may frame it.
REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
# The page of a review leads to frames in CVAT.
RESULT_POLICY = f"{REPORT_POLICY} allow-popups allow-popups-to-escape-sandbox"
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}


class SecurityHeadersMiddleware:
    """ASGI middleware that adds the headers which an answer does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)
