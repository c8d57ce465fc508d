"""Saved CVAT servers and how to log in to them; their secrets are in `secrets.SecretStore`, never in the database."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from preannotate.core.http import server_url
from preannotate.jobs.database import Database
from preannotate.pipeline.run_request import CvatAccess
from preannotate.studio.errors import StudioError
from preannotate.studio.secrets import SecretStore

if TYPE_CHECKING:
    from preannotate.cvat.login import Login
    from preannotate.cvat.server import Server

Answer = TypeVar("Answer")
# A login is reused for this long; sessions of CVAT live for days.
_LOGIN_SECONDS = 600.0


class LoginKind(StrEnum):
    """How to log in to a server."""

    TOKEN = "token"
    PASSWORD = "password"
    PROFILE = "profile"  # of cvat-sdk


@dataclass(frozen=True)
class SavedServer:
    """A server as pages show it, without any secret.

    Attributes:
        id: In the studio.
        name: For people; unique.
        organization: Short name; "" is the personal workspace, None the server's default.
        insecure: Any certificate is accepted.
        user: As the server names the user who is logged in.
        version: Of CVAT at the last login.
        profile: Profile of cvat-sdk that logs in; None if the studio stores the login.
        problem: Why the last login failed; None if it succeeded.
    """

    id: int
    name: str
    url: str
    organization: str | None
    insecure: bool
    user: str
    version: str
    profile: str | None
    problem: str | None


class Servers:
    """The saved servers."""

    def __init__(self, database: Database, secrets: SecretStore) -> None:
        self._database, self._secrets = database, secrets
        self._lock = threading.Lock()
        self._connected: dict[int, tuple[float, Server]] = {}

    def get(self, server_id: int) -> SavedServer:
        """Return a server; StudioError if there is none of that id."""
        return _server(self._row(server_id))

    def add(
        self,
        name: str,
        url: str,
        *,
        token: str = "",
        user: str = "",
        password: str = "",
        organization: str | None = None,
        insecure: bool = False,
    ) -> SavedServer:
        """Log in by an access token, or by user and password, and save the server if that succeeds.

        An empty `name` becomes the host name; `organization` and `insecure` are those of `SavedServer`.

        Raises:
            CvatError: The server does not answer, or rejects the login.
            AddressError: The URL is malformed, or contains a login.
            StudioError: The name is in use, or neither a token nor user and password are given.
        """
        url = server_url("address of CVAT", url.strip())
        return self._save(name, _new_login(url, organization, insecure, token, user, password))

    def add_profile(self, profile: str, name: str = "") -> SavedServer:
        """Log in with a profile of cvat-sdk and save a server that uses it; its token stays there. Raises as `add`."""
        from preannotate.cvat.login import Login

        return self._save(name or profile, Login(profile=profile))

    def log_in(self, server_id: int, *, token: str = "", user: str = "", password: str = "") -> SavedServer:
        """Replace the login of a saved server, if the server accepts the new one; raises as `add`."""
        saved = self.get(server_id)
        login = _new_login(saved.url, saved.organization, saved.insecure, token, user, password)
        server, found, version = _connect(login)
        self._secrets.set(_secret_name(server_id), login.token or login.password)
        self._database.change(
            "UPDATE servers SET login = ?, user = ?, version = ?, profile = '', problem = '' WHERE id = ?",
            (_kind(login), found, version, server_id),
        )
        self._keep(server_id, server)
        return self.get(server_id)

    def remove(self, server_id: int) -> None:
        """Forget a server and its secret; runs that use it stay. StudioError if there is none of that id."""
        self._row(server_id)
        self._forget(server_id)
        self._secrets.remove(_secret_name(server_id))
        self._database.change("DELETE FROM servers WHERE id = ?", (server_id,))

    def profiles(self) -> dict[str, str]:
        """Return name to server of cvat-sdk's profiles on this machine (`cvat-cli profile create`)."""
        from preannotate.cvat.connection import profiles

        return profiles()

    def connect(self, server_id: int) -> "Server":
        """Log in to a server.

        Raises:
            CvatError: It does not answer, or rejects the login, which `SavedServer.problem` reports from then on.
            StudioError: There is none of that id, or its secret is gone.
        """
        row = self._row(server_id)
        try:
            server, user, version = _connect(self._login(row))
        except Exception as error:
            self._record_rejection(row, error)
            raise
        self._database.change(
            "UPDATE servers SET user = ?, version = ?, problem = '' WHERE id = ?", (user, version, server_id)
        )
        self._keep(server_id, server)
        return server

    def query(self, server_id: int, question: "Callable[[Server], Answer]") -> Answer:
        """Return what `question` finds on a server, with a login that is reused for minutes; raises as `connect`."""
        server = self._kept(server_id)
        if server is not None:
            try:
                return question(server)
            except Exception as error:
                if not _is_rejected_login(error):
                    raise
                self._forget(server_id)  # the session is over, perhaps not the login
        server = self.connect(server_id)
        try:
            return question(server)
        except Exception as error:
            self._record_rejection(self._row(server_id), error)
            raise

    def environment(self, server_id: int) -> dict[str, str]:
        """Return the variables that log in a child process: CVAT_ACCESS_TOKEN or PASS; empty for a profile.

        Raises:
            StudioError: There is no such server, or its secret is gone.
        """
        from preannotate.cvat.login import PASSWORD_VARIABLE, TOKEN_VARIABLE

        row = self._row(server_id)
        if row["login"] == LoginKind.PROFILE:
            return {}
        return {TOKEN_VARIABLE if row["login"] == LoginKind.TOKEN else PASSWORD_VARIABLE: self._secret(row)}

    def access(self, server_id: int) -> CvatAccess:
        """Return how a run reaches a server, without the secret."""
        row = self._row(server_id)
        if row["login"] == LoginKind.PROFILE:
            return CvatAccess(cvat=row["url"], profile=row["profile"])
        user = row["user"] if row["login"] == LoginKind.PASSWORD else None
        return CvatAccess(cvat=row["url"], user=user, organization=row["organization"], insecure=bool(row["insecure"]))

    def list(self) -> list[SavedServer]:
        """Return all servers, by name."""
        return [_server(row) for row in self._database.rows("SELECT * FROM servers ORDER BY name COLLATE NOCASE")]

    def _save(self, name: str, login: "Login") -> SavedServer:
        name = " ".join(name.split()) or urlsplit(login.url or "").netloc
        if self._database.rows("SELECT id FROM servers WHERE name = ?", (name,)):
            raise StudioError(f"server {name!r}: the name is in use; expected another name.")
        server, user, version = _connect(login)
        server_id = self._database.insert(
            "INSERT INTO servers (name, url, organization, insecure, user, version, profile, login, problem) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')",
            (name, server.url, login.organization, login.insecure, user, version, login.profile or "", _kind(login)),
        )
        try:
            self._secrets.set(_secret_name(server_id), login.token or login.password)
        except BaseException:
            self._database.change("DELETE FROM servers WHERE id = ?", (server_id,))
            raise
        self._keep(server_id, server)
        return self.get(server_id)

    def _login(self, row: Any) -> "Login":
        from preannotate.cvat.login import Login

        if row["login"] == LoginKind.PROFILE:
            return Login(profile=row["profile"])
        by_token, secret = row["login"] == LoginKind.TOKEN, self._secret(row)
        return _new_login(
            row["url"],
            row["organization"],
            bool(row["insecure"]),
            token=secret if by_token else "",
            user="" if by_token else row["user"],
            password="" if by_token else secret,
        )

    def _secret(self, row: Any) -> str:
        if secret := self._secrets.get(_secret_name(row["id"])):
            return secret
        raise StudioError(f"server {row['name']!r}: its login is gone; expected a saved one. Log in again.")

    def _row(self, server_id: int) -> Any:
        rows = self._database.rows("SELECT * FROM servers WHERE id = ?", (server_id,))
        if not rows:
            raise StudioError(f"server {server_id}: not saved; expected a saved server. Add it again.")
        return rows[0]

    def _record_rejection(self, row: Any, error: Exception) -> None:
        """Record that a server rejected its login, and raise an error that says where to log in again."""
        if not _is_rejected_login(error):
            return
        from preannotate.cvat.errors import CvatError

        self._forget(row["id"])
        what = {"token": "the access token", "password": "the password", "profile": f"the profile {row['profile']!r}"}
        who = f" of {row['user']}" if row["user"] else ""
        problem = (
            f"{row['url']}: {what[row['login']]}{who} is not accepted any more; expected a valid login. "
            f"Log in again in the settings."
        )
        self._database.change("UPDATE servers SET problem = ? WHERE id = ?", (problem, row["id"]))
        raise CvatError(problem) from error

    def _kept(self, server_id: int) -> "Server | None":
        with self._lock:
            since, server = self._connected.get(server_id, (0.0, None))
        return server if server is not None and time.monotonic() - since < _LOGIN_SECONDS else None

    def _keep(self, server_id: int, server: "Server") -> None:
        with self._lock:
            self._connected[server_id] = time.monotonic(), server

    def _forget(self, server_id: int) -> None:
        with self._lock:
            self._connected.pop(server_id, None)


def _server(row: Any) -> SavedServer:
    values = {field.name: row[field.name] for field in fields(SavedServer)}
    none_for_empty = {name: row[name] or None for name in ("profile", "problem")}
    return SavedServer(**values | none_for_empty | {"insecure": bool(row["insecure"])})


def _secret_name(server_id: int) -> str:
    return f"server-{server_id}"


def _new_login(url: str, organization: str | None, insecure: bool, token: str, user: str, password: str) -> "Login":
    from preannotate.cvat.login import Login

    if token.strip() and not user and not password:
        return Login(url=url, organization=organization, insecure=insecure, token=token.strip())
    if user and password and not token:
        return Login(url=url, organization=organization, insecure=insecure, user=user, password=password)
    raise StudioError("login: neither or both are given; expected an access token, or a user name with a password.")


def _kind(login: "Login") -> LoginKind:
    if login.profile is not None:
        return LoginKind.PROFILE
    return LoginKind.TOKEN if login.token else LoginKind.PASSWORD


def _connect(login: "Login") -> "tuple[Server, str, str]":
    """Log in; return the server, the user name, and the version of CVAT."""
    from preannotate.cvat.connection import connect

    server = connect(login)
    user = server.user()
    with server.parsing_response("the login"):
        return server, str(user["username"]), server.version


def _is_rejected_login(error: BaseException) -> bool:
    """Return whether the server rejected the login, at once or later."""
    status = getattr(error.__cause__, "status", None)
    return status == 401 or (status == 400 and " for the login" in str(error))
