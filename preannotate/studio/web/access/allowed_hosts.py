"""By which names the studio may be called.

A web page of a stranger can let its own name point at 127.0.0.1 and then read what is there as if it were its own.
Its name is in the Host header; an address in numbers cannot be pointed anywhere.
"""

import ipaddress
import socket
from collections.abc import Iterable
from html import escape

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
MISDIRECTED = 421


class AllowedHostsMiddleware:
    """An ASGI app that answers only under names that are known."""

    def __init__(self, app: ASGIApp, names: Iterable[str], *, numbers: bool) -> None:
        """Stand in front of `app`.

        Args:
            app: Answers the rest.
            names: Names and addresses, without ports.
            numbers: Whether any address in numbers will do.
        """
        self._app = app
        self._names = frozenset(name.casefold() for name in names)
        self._numbers = numbers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        said = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(said) == 1 and self._is_known(host_name(said[0])):
            await self._app(scope, receive, send)
            return
        shown = said[0][:100] if said else ""
        sentence = (
            f"Host {shown!r} is not a name of this studio; expected one of: {', '.join(sorted(self._names))}. "
            f"If it is a name of this machine, start the studio with --allow-host NAME."
        )
        page = f"<!doctype html><html lang=en><title>Unknown host</title><h1>Unknown host</h1><p>{escape(sentence)}</p>"
        await HTMLResponse(page, MISDIRECTED)(scope, receive, send)

    def _is_known(self, name: str) -> bool:
        return name in self._names or (self._numbers and _is_number(name))


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets, in lower case; "" if it is none."""
    name, bracket, port = header.strip().casefold().rpartition("]")
    if bracket:
        return name[1:] if name.startswith("[") and _is_port(port) else ""
    name, colon, port = header.strip().casefold().partition(":")
    return name.rstrip(".") if not colon or port.isdecimal() else ""


def names_of_this_machine() -> list[str]:
    """What others in the network may call it."""
    return [*LOOPBACK_NAMES, *filter(None, {socket.gethostname().casefold(), socket.getfqdn().casefold()})]


def _is_port(text: str) -> bool:
    return not text or (text.startswith(":") and text[1:].isdecimal())


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
