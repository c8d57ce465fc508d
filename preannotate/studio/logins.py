"""Logins to a saved server: by an access token, by a password, or by a profile of cvat-sdk."""

from typing import TYPE_CHECKING

from preannotate.studio.errors import StudioError

if TYPE_CHECKING:
    from preannotate.cvat.login import Login
    from preannotate.cvat.server import Server

TOKEN, PASSWORD, PROFILE = "token", "password", "profile"


def login_kind(token: str, user: str, password: str) -> tuple[str, str]:
    """Return the kind of login, TOKEN or PASSWORD, and its secret."""
    if token.strip() and not user and not password:
        return TOKEN, token.strip()
    if user and password and not token:
        return PASSWORD, password
    raise StudioError("login: neither or both are given; expected an access token, or a user name with a password.")


def login_arguments(kind: str, user: str, secret: str) -> dict[str, str]:
    """Return the arguments of `Login`."""
    return {"token": secret} if kind == TOKEN else {"user": user, "password": secret}


def connect_logged_in(login: "Login") -> "tuple[Server, str, str]":
    """Log in; return the server, the user name, and the version of CVAT."""
    from preannotate.cvat.connection import connect

    server = connect(login)
    user = server.user()
    with server.parsing_response("the login"):
        return server, str(user["username"]), server.version


def is_refused(error: BaseException) -> bool:
    """Return whether the server rejected the login, at once or later."""
    status = getattr(error.__cause__, "status", None)
    return status == 401 or (status == 400 and " for the login" in str(error))
