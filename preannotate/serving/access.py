"""Who may use the server: every client that reaches it, or those that know the token.

The token is the password of HTTP's basic authentication, with any user name, or a bearer token. The first is what
CVAT can send without any change: Python's `requests`, which it uses, takes a password for a host from a .netrc
file. A token is no encryption; on an untrusted network a proxy with TLS has to stand in front.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Sequence
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from preannotate.core import secrets
from preannotate.serving.errors import ServeError
from preannotate.serving.invocation import JsonReply

TOKEN_VARIABLE = "PREANNOTATE_TOKEN"
_TOKEN = secrets.token(TOKEN_VARIABLE, ServeError)


def find_token(token: str | None, file: Path | None) -> str | None:
    """Return the token from the command line, else from a file, else from the environment; None if there is none.

    Every user of the machine can read the command line, so it is the last to recommend.

    Raises:
        ServeError: Two are given, the file cannot be read, or the token is too short or has other characters.
    """
    if token is not None and file is not None:
        raise ServeError("--token, --token-file: both are given; expected one. Leave out --token.")
    if token is not None:
        os.environ.pop(TOKEN_VARIABLE, None)
        return _TOKEN.checked(token, "--token")
    return _TOKEN.find(file) or None


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
        """Answer 401, or hand the request on."""
        admitted = any(_admits(value, self._token) for name, value in scope["headers"] if name == b"authorization")
        if not admitted and scope["path"] not in self._open_paths:
            reply = JsonReply(
                {"error": "Authorization: missing or wrong token; expected the token of this server."},
                401,
                {"WWW-Authenticate": 'Basic realm="preannotate"'},
            )
            await reply(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        await self._app({**scope, "headers": headers, "preannotate.admitted": admitted}, receive, send)


def is_admitted(scope: Scope) -> bool:
    """Whether the caller has sent the token, or the server has none."""
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
