"""Logging in to CVAT.

Who logs in and where is decided by cvat-sdk itself, so that what works with cvat-cli works here:
a profile (`cvat-cli profile create`), CVAT_ACCESS_TOKEN, or a user with the password from PASS or a prompt.
Only the moment differs: a password is sent after the server has answered as CVAT does.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from typing import TypeAlias
from urllib.parse import urlsplit

from cvat_sdk.api_client import models
from cvat_sdk.core import auth
from cvat_sdk.core.client import AccessTokenCredentials, Client, PasswordCredentials
from cvat_sdk.core.exceptions import AuthStoreError, InvalidHostException
from packaging.version import InvalidVersion, Version

from preannotate.core.http import LOOPBACK_NAMES, server_url
from preannotate.cvat.errors import CvatError
from preannotate.cvat.limited_http import SMALL, exchange, limit_requests, receive
from preannotate.cvat.login import PASSWORD_VARIABLE, TOKEN_VARIABLE, Login, check_login
from preannotate.cvat.requests import Requests
from preannotate.cvat.server import Server

# The REST API that is used here came with 2.x; its responses were compared from 2.15 on.
OLDEST = Version("2")
OLDEST_TESTED = Version("2.15")
_MAX_VERSION = 64
Credentials: TypeAlias = PasswordCredentials | AccessTokenCredentials


def connect(login: Login, *, retry: bool = True, timeout: tuple[float, float] | None = None) -> Server:
    """Log in. `timeout` is as in `limited_http.TIMEOUT_SECONDS`, its default.

    Raises:
        CvatError: No server, not CVAT, too old, or the login is rejected.
    """
    check_login(login)
    if login.url is not None:
        login = replace(login, url=server_url("--cvat", login.url))
    try:
        client, find_credentials = _client(login)
    except (AuthStoreError, InvalidHostException) as error:
        raise CvatError(
            f"login: {str(error).rstrip('.')}; expected a login that cvat-sdk can use. "
            f"Run `cvat-cli profile list` to see the profiles."
        ) from error
    limit_requests(client.api_client, timeout)
    url = client.api_client.configuration.host
    requests = Requests(url)
    if not retry:
        requests.stop()
    version = _version(client, requests)
    if find_credentials is not None:
        try:
            credentials = find_credentials(url)
        except (EOFError, OSError) as error:
            raise CvatError(
                f"login: no access token, and no terminal to ask for a password; expected a login. "
                f"Set {TOKEN_VARIABLE}, or {PASSWORD_VARIABLE} with --auth USER."
            ) from error
        _log_in(client, requests, credentials)
    return Server(client, requests, version=str(version), notes=tuple(_notes(url, version)))


def profiles() -> dict[str, str]:
    """Return name to server of cvat-sdk's profiles on this machine; empty if there are none or they are unreadable."""
    try:
        return {name: entry.server for name, entry in sorted(auth.AuthStore().list_profiles().items())}
    except (AuthStoreError, OSError, KeyError, TypeError):
        return {}


def _client(login: Login) -> tuple[Client, Callable[[str], Credentials] | None]:
    """The SDK's client, and what finds the credentials that it does not have yet."""
    parameters = auth.ClientAuthParameters(
        profile=login.profile,
        server_host=login.url,
        insecure=login.insecure,
        organization=login.organization,
    )
    explicit = login.url or login.user or login.token or os.environ.get(TOKEN_VARIABLE)
    if login.profile or (not explicit and auth.AuthStore().get_default_profile()):
        return auth.make_client_from_cli(parameters), None
    parameters.auth = lambda _: AccessTokenCredentials("")  # nothing yet
    client = auth.make_client_from_cli(parameters)
    client.api_client.configuration.access_token = None  # an empty one would be sent, and rejected
    return client, _credentials_factory(login)


def _credentials_factory(login: Login) -> Callable[[str], Credentials]:
    """From the server's URL to credentials; the SDK's own where none are given."""
    if login.token:
        return lambda _: AccessTokenCredentials(login.token)
    user = login.user
    if user and login.password:
        return lambda _: PasswordCredentials(user, login.password)
    return auth.get_auth_factory(user) if user else auth.default_auth_factory()


def _version(client: Client, requests: Requests) -> Version:
    url = requests.url
    about: object = None
    try:
        about = requests.json("its version", client.api_client.server_api.retrieve_about)
    except CvatError as error:
        if error.status != 404:
            raise
    try:
        named = about.get("version") if isinstance(about, dict) else None
        version = Version(named if isinstance(named, str) and len(named) <= _MAX_VERSION else "")
    except InvalidVersion as error:
        raise CvatError(f"{url}: a server that is not CVAT; expected CVAT's version. Use CVAT's own URL.") from error
    if version < OLDEST:
        raise CvatError(f"{url}: CVAT {version}; expected {OLDEST_TESTED} or newer. Update the server.")
    return version


def _notes(url: str, version: Version) -> Iterator[str]:
    if version.release < OLDEST_TESTED.release:  # a development build of 2.15 answers as 2.15 does
        yield f"CVAT {version} is older than {OLDEST_TESTED}, the oldest tested version."
    if urlsplit(url).scheme == "http" and urlsplit(url).hostname not in LOOPBACK_NAMES:
        yield "the login is sent unencrypted: use https:// unless the network is yours alone."


def _log_in(client: Client, requests: Requests, credentials: Credentials) -> None:
    """Log in as the SDK does, which would read more of the response than the cookies."""
    api = client.api_client
    if isinstance(credentials, AccessTokenCredentials):
        api.configuration.access_token = credentials.token
        return
    request = models.LoginSerializerExRequest(username=credentials.user, password=credentials.password)

    def send() -> SimpleCookie:
        with exchange(SMALL):
            _, response = api.auth_api.create_login(request, _parse_response=False)
            receive(response)
        cookies = SimpleCookie()
        for header in response.headers.getlist("Set-Cookie"):  # joined, those that end with "Secure" are not understood
            cookies.load(header)
        return cookies

    try:
        api.cookies.update(requests.with_retries("the login", send))
    except CookieError as error:
        raise _no_session(requests.url) from error
    if not {"sessionid", "csrftoken"} <= api.cookies.keys():
        raise _no_session(requests.url)
    api.configuration.api_key["csrfHeaderAuth"] = api.cookies["csrftoken"].value


def _no_session(url: str) -> CvatError:
    return CvatError(
        f"{url}: a login without a session; expected cookies. Check whether a proxy removes them, or use an access "
        f"token: {TOKEN_VARIABLE}."
    )
