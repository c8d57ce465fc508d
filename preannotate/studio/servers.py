"""Saved CVAT servers; their secrets are in `secrets.SecretStore`, never in the database."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
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
from typing import TYPE_CHECKING

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


Answer = TypeVar("Answer")
# A login is used so long before it is made again; sessions of CVAT live for days.
_SECONDS = 600.0


@dataclass(frozen=True)
class SavedServer:
    """A server as the page shows it; no secret is in it.

    Attributes:
        id: In the studio.
        name: For people; unique.
        url: Of CVAT.
        organization: Short name; "" is the personal workspace, None asks without one.
        insecure: Any certificate is accepted.
        user: Name with which somebody is logged in, as the server says it.
        version: Of CVAT at the last login.
        profile: Profile of cvat-sdk, if the login is that of a profile; else "".
        problem: Why the last login failed; "" if it succeeded.
    """

    id: int
    name: str
    url: str
    organization: str | None
    insecure: bool
    user: str
    version: str = ""
    profile: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Profile:
    """A profile of cvat-sdk on this machine (`cvat-cli profile create`); it is read, never changed.

    Attributes:
        name: Of the profile.
        url: Of its server.
    """

    name: str
    url: str


class Servers:
    """The saved servers."""

    def __init__(self, database: Database, secrets: SecretStore) -> None:
        self._database, self._secrets = database, secrets
        self._lock = threading.Lock()
        self._connected: dict[int, tuple[float, Server]] = {}

    def get(self, server_id: int) -> SavedServer:
        """Return a server.

        Raises:
            StudioError: There is none of that id.
        """
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
        """Log in once, and save the server if that went well.

        Args:
            name: For people; "" takes the host's.
            url: Of CVAT, with http:// or https://.
            token: Access token; or
            user: Name, and
            password: Of the user.
            organization: As in `SavedServer`.
            insecure: Accept any certificate.

        Raises:
            CvatError: The server does not answer, or does not accept the login.
            AddressError: `url` is none, or carries a login.
            StudioError: The name is taken, or neither a token nor user and password are given.
        """
        from preannotate.cvat.login import Login

        url = server_url("address of CVAT", url.strip())
        kind, secret = login_kind(token, user, password)
        login = Login(url=url, organization=organization, insecure=insecure, **login_arguments(kind, user, secret))
        return self._save(name, login, kind, secret)

    def add_profile(self, profile: str, name: str = "") -> SavedServer:
        """Log in with a profile of cvat-sdk and save a server that uses it; its token stays in the profile.

        Raises:
            CvatError: There is no such profile, or as `add`.
            StudioError: The name is taken.
        """
        from preannotate.cvat.login import Login

        return self._save(name or profile, Login(profile=profile), PROFILE, "")

    def log_in(self, server_id: int, *, token: str = "", user: str = "", password: str = "") -> SavedServer:
        """Replace the login of a saved server, if the server accepts the new one; raises as `add`."""
        from preannotate.cvat.login import Login

        saved = self.get(server_id)
        kind, secret = login_kind(token, user, password)
        login = Login(
            url=saved.url,
            organization=saved.organization,
            insecure=saved.insecure,
            **login_arguments(kind, user, secret),
        )
        server, found, version = connect_logged_in(login)
        self._secrets.set(_secret_name(server_id), secret)
        self._database.change(
            "UPDATE servers SET login = ?, user = ?, version = ?, profile = '', problem = '' WHERE id = ?",
            (kind, found, version, server_id),
        )
        self._keep(server_id, server)
        return self.get(server_id)

    def remove(self, server_id: int) -> None:
        """Forget a server and its secret; runs that were asked for with it stay.

        Raises:
            StudioError: There is none of that id.
        """
        self._row(server_id)
        self._forget(server_id)
        self._secrets.remove(_secret_name(server_id))
        self._database.change("DELETE FROM servers WHERE id = ?", (server_id,))

    def profiles(self) -> tuple[Profile, ...]:
        """Profiles of cvat-sdk on this machine; empty if there are none, or they cannot be read."""
        from preannotate.cvat.connection import profiles

        return tuple(Profile(name, url) for name, url in profiles().items())

    def connect(self, server_id: int) -> "Server":
        """A server that is logged in just now.

        Raises:
            CvatError: It does not answer, or does not accept the login: `problem` then says so until it does.
            StudioError: There is none of that id, or its secret is gone.
        """
        row = self._row(server_id)
        try:
            server, user, version = connect_logged_in(self._login(row))
        except Exception as error:
            self._record_refusal(row, error)
            raise
        self._database.change(
            "UPDATE servers SET user = ?, version = ?, problem = '' WHERE id = ?", (user, version, server_id)
        )
        self._keep(server_id, server)
        return server

    def ask(self, server_id: int, question: "Callable[[Server], Answer]") -> Answer:
        """What a server answers, with a login that is kept for some minutes.

        Raises:
            CvatError: As `connect`, and whatever the question raises.
            StudioError: As `connect`.
        """
        server = self._kept(server_id)
        if server is not None:
            try:
                return question(server)
            except Exception as error:
                if not is_refused(error):
                    raise
                self._forget(server_id)  # the session is over, perhaps not the login
        server = self.connect(server_id)
        try:
            return question(server)
        except Exception as error:
            self._record_refusal(self._row(server_id), error)
            raise

    def environment(self, server_id: int) -> dict[str, str]:
        """What logs a child process in: CVAT_ACCESS_TOKEN or PASS; empty for a profile.

        Raises:
            StudioError: There is no such server, or its secret is gone.
        """
        from preannotate.cvat.login import PASSWORD_VARIABLE, TOKEN_VARIABLE

        row = self._row(server_id)
        if row["login"] == PROFILE:
            return {}
        return {TOKEN_VARIABLE if row["login"] == TOKEN else PASSWORD_VARIABLE: self._secret(row)}

    def access(self, server_id: int) -> CvatAccess:
        """Return how a run reaches a server, without the secret."""
        row = self._row(server_id)
        if row["login"] == PROFILE:
            return CvatAccess(cvat=row["url"], profile=row["profile"])
        user = row["user"] if row["login"] == PASSWORD else None
        return CvatAccess(cvat=row["url"], user=user, organization=row["organization"], insecure=bool(row["insecure"]))

    def list(self) -> list[SavedServer]:
        """Return all servers, by name."""
        return [_server(row) for row in self._database.rows("SELECT * FROM servers ORDER BY name COLLATE NOCASE")]

    def _save(self, name: str, login: "Login", kind: str, secret: str) -> SavedServer:
        name = " ".join(name.split()) or urlsplit(login.url or "").netloc
        if self._database.rows("SELECT id FROM servers WHERE name = ?", (name,)):
            raise StudioError(f"server {name!r}: the name is in use; expected another name.")
        server, user, version = connect_logged_in(login)
        server_id = self._database.insert(
            "INSERT INTO servers (name, url, organization, insecure, user, version, profile, login, problem) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')",
            (name, server.url, login.organization, login.insecure, user, version, login.profile or "", kind),
        )
        try:
            self._secrets.set(_secret_name(server_id), secret)
        except BaseException:
            self._database.change("DELETE FROM servers WHERE id = ?", (server_id,))
            raise
        self._keep(server_id, server)
        return self.get(server_id)

    def _login(self, row: Any) -> "Login":
        from preannotate.cvat.login import Login

        if row["login"] == PROFILE:
            return Login(profile=row["profile"])
        said = login_arguments(row["login"], row["user"], self._secret(row))
        return Login(url=row["url"], organization=row["organization"], insecure=bool(row["insecure"]), **said)

    def _secret(self, row: Any) -> str:
        if secret := self._secrets.get(_secret_name(row["id"])):
            return secret
        raise StudioError(f"server {row['name']!r}: its login is gone; expected a saved one. Log in again.")

    def _row(self, server_id: int) -> Any:
        rows = self._database.rows("SELECT * FROM servers WHERE id = ?", (server_id,))
        if not rows:
            raise StudioError(f"server {server_id}: not saved; expected a saved server. Add it again.")
        return rows[0]

    def _record_refusal(self, row: Any, error: Exception) -> None:
        """Record that a server rejected its login, and raise an error that says where to log in again."""
        if not is_refused(error):
            return
        from preannotate.cvat.errors import CvatError

        self._forget(row["id"])
        what = {TOKEN: "the access token", PASSWORD: "the password", PROFILE: f"the profile {row['profile']!r}"}
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
        return server if server is not None and time.monotonic() - since < _SECONDS else None

    def _keep(self, server_id: int, server: "Server") -> None:
        with self._lock:
            self._connected[server_id] = time.monotonic(), server

    def _forget(self, server_id: int) -> None:
        with self._lock:
            self._connected.pop(server_id, None)


def _server(row: Any) -> SavedServer:
    return SavedServer(
        id=row["id"],
        name=row["name"],
        url=row["url"],
        organization=row["organization"],
        insecure=bool(row["insecure"]),
        user=row["user"],
        version=row["version"],
        profile=row["profile"],
        problem=row["problem"],
    )


def _secret_name(server_id: int) -> str:
    return f"server-{server_id}"
