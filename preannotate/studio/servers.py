"""Saved CVAT servers; their secrets are in `secrets.SecretStore`, never in the database."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preannotate.cvat.server import Server


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
        version: Of the server at the last login.
        profile: Of cvat-sdk, if the login is that of a profile; else "".
        problem: Why the last login failed, a sentence; "" if it went well. A new login mends it (`log_in`).
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

    def get(self, server_id: int) -> SavedServer:
        """One of them.

        Raises:
            StudioError: There is none of that id.
        """
        raise NotImplementedError

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
            url: Of CVAT, with or without http(s)://.
            token: Access token; or
            user: Name, and
            password: Of the user.
            organization: As in `SavedServer`.
            insecure: Accept any certificate.

        Raises:
            CvatError: The server does not answer, or does not accept the login.
            StudioError: The name is taken, or neither a token nor user and password are given.
        """
        raise NotImplementedError

    def add_profile(self, profile: str, name: str = "") -> SavedServer:
        """Log in with a profile of cvat-sdk and save a server that uses it; its token stays in the profile."""
        raise NotImplementedError

    def log_in(self, server_id: int, *, token: str = "", user: str = "", password: str = "") -> SavedServer:
        """Replace the login of a saved server, if the server accepts the new one; raises as `add`."""
        raise NotImplementedError

    def remove(self, server_id: int) -> None:
        """Forget a server and its secret; runs that were asked for with it stay.

        Raises:
            StudioError: There is none of that id.
        """
        raise NotImplementedError

    def profiles(self) -> list[Profile]:
        """Profiles of cvat-sdk on this machine; empty if there are none."""
        raise NotImplementedError

    def connect(self, server_id: int) -> "Server":
        """A server that is logged in; a login is kept for some minutes.

        Raises:
            CvatError: It does not answer, or does not accept the login: `problem` then says so until it does.
            StudioError: There is none of that id, or its secret is gone.
        """
        raise NotImplementedError

    def environment(self, server_id: int) -> dict[str, str]:
        """What logs a child process in: CVAT_ACCESS_TOKEN or PASS; empty for a profile."""
        raise NotImplementedError

    def options(self, server_id: int) -> list[str]:
        """The rest of it, for the child's command line, without secrets: --cvat URL --auth USER …"""
        raise NotImplementedError

    def list(self) -> list[SavedServer]:
        """All of them, by name."""
        raise NotImplementedError
