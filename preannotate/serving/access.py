"""Who may use the server: everybody who reaches it, or whoever knows the token.

The token is the password of HTTP's basic authentication, with any user name, or a bearer token. The first is what
CVAT can send without any change to it: Python's `requests`, which it uses, takes a password for a host from a .netrc
file. A token is no encryption; on an untrusted network a proxy with TLS has to stand in front.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from preannotate.serving.invocation import JsonReply


class TokenGuard:
    """An ASGI app that lets only callers with the token through to another."""

    def __init__(self, app: ASGIApp, token: str, open_paths: Sequence[str] = ()) -> None:
        """Stand in front of `app`.

        Args:
            app: Sees no Authorization header; its scope says whether the caller has the token (`is_admitted`).
            token: What to ask for.
            open_paths: What everybody may ask, for the probes of whatever watches over this server.
        """
        self._app = app
        self._token = token.encode("ascii")
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        admitted = any(_admits(value, self._token) for name, value in scope["headers"] if name == b"authorization")
        if not admitted and scope["path"] not in self._open_paths:
            reply = JsonReply(
                {"error": "Authorization: no token, or a wrong one; expected the one of this server."},
                401,
                {"WWW-Authenticate": 'Basic realm="preannotate"'},
            )
            await reply(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        await self._app({**scope, "headers": headers, "preannotate.admitted": admitted}, receive, send)


def is_admitted(scope: Scope) -> bool:
    """Whether the caller has the token, or there is none to have."""
    return scope.get("preannotate.admitted", True)


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
