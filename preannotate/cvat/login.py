"""From what the command line, the environment or a program say to a client that is logged in.

Who logs in and where is decided by cvat-sdk itself, so that what works with cvat-cli works here:
a profile (`cvat-cli profile create`), CVAT_ACCESS_TOKEN, or a user with the password from PASS or a prompt.
Only the moment differs: the server is looked at before a password is sent to it.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from cvat_sdk.core import auth
from cvat_sdk.core.client import AccessTokenCredentials, Client, PasswordCredentials
from cvat_sdk.core.exceptions import AuthStoreError, InvalidHostException
from packaging.version import InvalidVersion, Version

from preannotate.core.http import server_url
from preannotate.cvat.errors import CvatError
from preannotate.cvat.requests import Requests, with_time_limits

# The REST API that is spoken here came with 2.x; what it answers was compared from 2.15 on.
OLDEST = Version("2")
OLDEST_TESTED = Version("2.15")
# Where cvat-sdk, and so every command here, finds a login.
TOKEN_VARIABLE, PASSWORD_VARIABLE = auth.CVAT_ACCESS_TOKEN_ENV_VAR, "PASS"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Login:
    """What the command line says; the rest is in the environment and in cvat-sdk's profiles.

    Attributes:
        url: Of CVAT; None takes the profile's, or the SDK's default.
        user: Name; its password comes from PASS or a prompt. None: access token, else the user of this machine.
        profile: Name of a profile, instead of `url` and `user`.
        organization: Short name; "" is the personal workspace, None asks without one.
        insecure: Accept any certificate.
        token: Access token, of a program that keeps logins itself; the environment is not asked then.
        password: Of the user; the same.
    """

    url: str | None = None
    user: str | None = None
    profile: str | None = None
    organization: str | None = None
    insecure: bool = False
    token: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Connection:
    """A client that is logged in.

    Attributes:
        client: cvat-sdk's.
        requests: Asks with it.
        url: Of the server, without a login.
        version: Of the server.
        notes: Whole sentences about what may go wrong.
    """

    client: Client
    requests: Requests
    url: str
    version: str
    notes: tuple[str, ...] = ()


def connect(login: Login) -> Connection:
    """Look at the server and log in.

    Raises:
        CvatError: No server, not CVAT, too old, or the login is not accepted.
    """
    _check(login)
    if login.url is not None:
        login = replace(login, url=server_url("--cvat", login.url))
    try:
        client, credentials = _client(login)
    except (AuthStoreError, InvalidHostException) as error:
        raise CvatError(
            f"login: {str(error).rstrip('.')}; expected one that cvat-sdk can use. "
            f"`cvat-cli profile list` shows the profiles."
        ) from error
    with_time_limits(client.api_client)
    url = client.api_client.configuration.host
    requests = Requests(url)
    version = _version(url, requests.json("its version", client.api_client.server_api.retrieve_about))
    if credentials is not None:
        _log_in(client, requests, credentials)
    return Connection(client, requests, url, str(version), tuple(_notes(url, version)))


def profiles() -> dict[str, str]:
    """Name to server of cvat-sdk's profiles on this machine; empty if there are none, or they cannot be read."""
    try:
        return {name: entry.server for name, entry in sorted(auth.AuthStore().list_profiles().items())}
    except (AuthStoreError, OSError, KeyError, TypeError):
        return {}


def _check(login: Login) -> None:
    if login.user and ":" in login.user:
        raise CvatError(
            "--auth: a password on the command line, where every user of this machine can read it; expected the "
            "user's name alone. Put the password into PASS, or wait for the prompt."
        )
    if login.profile is not None and (login.url is not None or login.user is not None):
        raise CvatError("--profile: with --cvat or --auth; expected it alone, for it says both. Leave the others out.")


def _client(login: Login) -> tuple[Client, PasswordCredentials | AccessTokenCredentials | None]:
    """The SDK's client, and the credentials that it does not have yet."""
    wanted = auth.ClientAuthParameters(
        profile=login.profile,
        server_host=login.url,
        insecure=login.insecure,
        organization=login.organization,
    )
    explicit = login.url or login.user or login.token or os.environ.get(auth.CVAT_ACCESS_TOKEN_ENV_VAR)
    if login.profile or (not explicit and auth.AuthStore().get_default_profile()):
        return auth.make_client_from_cli(wanted), None
    factory = _factory(login)
    wanted.auth = lambda _: AccessTokenCredentials("")  # nothing yet
    client = auth.make_client_from_cli(wanted)
    client.api_client.configuration.access_token = None  # an empty one would be sent, and refused
    try:
        return client, factory(client.api_client.configuration.host)
    except (EOFError, OSError) as error:
        raise CvatError(
            "login: no password and nobody to ask for it; expected a login. "
            "Set CVAT_ACCESS_TOKEN, or PASS with --auth USER."
        ) from error


def _factory(login: Login) -> Callable[[str], PasswordCredentials | AccessTokenCredentials]:
    """From the server's URL to credentials; the SDK's own where none are given."""
    if login.token:
        return lambda _: AccessTokenCredentials(login.token)
    if login.user and login.password:
        return lambda _: PasswordCredentials(login.user, login.password)
    return auth.get_auth_factory(login.user) if login.user else auth.default_auth_factory()


def _version(url: str, about: object) -> Version:
    try:
        version = Version(str(about["version"]))
    except (KeyError, TypeError, InvalidVersion) as error:
        raise CvatError(
            f"{url}: something that does not say its version as CVAT does; expected CVAT. Give CVAT's own address."
        ) from error
    if version < OLDEST:
        raise CvatError(f"{url}: CVAT {version}; expected {OLDEST_TESTED} or newer. Update the server.")
    return version


def _notes(url: str, version: Version) -> Iterator[str]:
    if version.release < OLDEST_TESTED.release:  # a development build of 2.15 speaks as 2.15 does
        yield f"CVAT {version} is older than {OLDEST_TESTED}, the oldest that this was tested with."
    if urlsplit(url).scheme == "http" and urlsplit(url).hostname not in _THIS_MACHINE:
        yield "the login travels unencrypted: use https:// if the network is not yours alone."


def _log_in(client: Client, requests: Requests, credentials: PasswordCredentials | AccessTokenCredentials) -> None:
    def attempt() -> None:
        try:
            client.login(credentials)
        except AssertionError as error:  # the SDK's way to say that the session's cookies did not come
            raise CvatError(
                f"{requests.url}: a login without a session; expected cookies. Look whether a proxy removes them, "
                f"or use an access token: CVAT_ACCESS_TOKEN."
            ) from error

    requests.tried("the login", attempt)
