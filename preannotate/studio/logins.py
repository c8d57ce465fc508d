"""How somebody logs in to a server: by an access token, by a password, or by a profile of cvat-sdk."""

from typing import TYPE_CHECKING

from preannotate.studio.errors import StudioError

if TYPE_CHECKING:
    from preannotate.cvat.login import Login
    from preannotate.cvat.server import Server

TOKEN, PASSWORD, PROFILE = "token", "password", "profile"


def chosen(token: str, user: str, password: str) -> tuple[str, str]:
    """How somebody logs in, and the secret."""
    if token.strip() and not user and not password:
        return TOKEN, token.strip()
    if user and password and not token:
        return PASSWORD, password
    raise StudioError("login: neither or both are given; expected an access token, or a user with a password.")


def spelled(kind: str, user: str, secret: str) -> dict[str, str]:
    """Arguments of `Login`."""
    return {"token": secret} if kind == TOKEN else {"user": user, "password": secret}


def connected(login: "Login") -> "tuple[Server, str, str]":
    """A server, who is logged in, and its version."""
    from preannotate.cvat.connection import connect

    server = connect(login)
    user = server.user()
    with server.parsing_response("the login"):
        return server, str(user["username"]), server.version


def is_refused(error: BaseException) -> bool:
    """Whether the server did not accept the login, when it was made or later."""
    status = getattr(error.__cause__, "status", None)
    return status == 401 or (status == 400 and " for the login" in str(error))
