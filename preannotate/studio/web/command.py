"""`preannotate studio`: the arguments are checked before anything heavy is imported."""

import asyncio
import logging
import secrets
import signal
import sys
import webbrowser
from collections.abc import Sequence
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING

from preannotate.core.http import server_url
from preannotate.core.terminal import log_to_stderr
from preannotate.registry.workspace import Workspace
from preannotate.serving.command import check_packages, check_port
from preannotate.studio.errors import StudioError
from preannotate.studio.secrets import SecretStore

if TYPE_CHECKING:
    from preannotate.serving.listener import Listener

_KEY, _KEPT_TOKEN = "studio-sessions", "studio-token"
# The address of the studio as browsers know it, such as that of a container's port.
URL_VARIABLE = "PREANNOTATE_STUDIO_URL"
PACKAGES = {"starlette": "starlette", "uvicorn": "uvicorn", "jinja2": "jinja2", "cvat_sdk": "cvat-sdk"}


def serve_studio(
    workspace: Path,
    host: str,
    port: int,
    *,
    token_file: Path | None = None,
    keep_token: bool = False,
    allowed: Sequence[str] = (),
    browser: bool = True,
) -> int:
    """Serve the studio until SIGTERM or Ctrl-C.

    Args:
        workspace: Created if it does not exist.
        host: Address to listen on; a token is required unless it is a loopback address.
        port: 0 chooses a free port.
        token_file: Holds the token; the environment variable PREANNOTATE_STUDIO_TOKEN can hold it instead.
        keep_token: Without either, use the token in the workspace, which is made at the first start.
        allowed: Further host names of the studio, such as that of a proxy.
        browser: Whether to open a browser.

    Raises:
        StudioError: The arguments are wrong.
        ServeError: The port cannot be used, or packages are missing.
    """
    check_port(port)
    check_packages("studio", PACKAGES)
    from preannotate.serving.listener import is_loopback
    from preannotate.studio.web.access.authentication import TOKEN

    token = TOKEN.find(token_file)
    if keep_token and not token:
        token = _kept_token(workspace, make=True)
    exposed = None
    if allowed:
        exposed = f"--allow-host {allowed[0]}: others could reach the studio by that name"
    elif not is_loopback(host):
        exposed = f"--host {host}: other machines could reach the studio"
    if exposed and not token:
        raise StudioError(
            f"{exposed}, and it has no login; expected a token. "
            f"Write one into a file of mode 0600 and name it: --token-file FILE; or let it make one: --keep-token."
        )
    log_to_stderr()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    asyncio.run(_serve(workspace, host, port, token, allowed, browser))
    return 0


def print_login(workspace: Path, port: int) -> int:
    """Print the address that logs in to a studio of `serve_studio(…, keep_token=True)`; return the exit code.

    The token is in the fragment, which browsers send to no server, so that it is in no log.

    Raises:
        StudioError: The workspace has no token.
        AddressError: PREANNOTATE_STUDIO_URL is not a URL.
    """
    token = _kept_token(workspace, make=False)
    if not token:
        raise StudioError(
            f"{workspace}: no login token; expected that of a studio with --keep-token. Start the studio with it first."
        )
    address = server_url(URL_VARIABLE, environ.get(URL_VARIABLE) or f"http://localhost:{port}")
    print(f"{address}/login#token={token}")
    return 0


def _kept_token(workspace: Path, *, make: bool) -> str:
    """Return the token in the workspace; without one, make it or return ""."""
    from preannotate.studio.web.access.authentication import TOKEN

    store = SecretStore(workspace.resolve() / ".secrets", "", None)
    if make and not store.get(_KEPT_TOKEN):
        store.set(_KEPT_TOKEN, secrets.token_urlsafe())
    token = store.get(_KEPT_TOKEN)
    return TOKEN.checked(token.strip(), f"{workspace / '.secrets' / _KEPT_TOKEN}") if token else ""


async def _serve(folder: Path, host: str, port: int, token: str, allowed: Sequence[str], browser: bool) -> None:
    from preannotate.core.http import LOOPBACK_NAMES
    from preannotate.serving.listener import Listener, is_loopback
    from preannotate.studio.services import Services
    from preannotate.studio.web.access.headers import names_of_this_machine
    from preannotate.studio.web.app import AccessPolicy, make_app

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    studio = Services(Workspace(folder))
    try:
        alone = is_loopback(host)
        names = [*(LOOPBACK_NAMES if alone else names_of_this_machine()), *allowed]
        access = AccessPolicy(
            names,
            numbers=not alone,
            token=token,
            key=_key(folder, token),
            cookie=f"preannotate-studio-{port}",
            files_anywhere=alone and not token,
        )
        listener = Listener(make_app(studio, access), host, port)
        studio.start()
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else shown}:{listener.port}/"
        print(f"The studio is on {address} (Ctrl-C stops it; runs go on).", flush=True)
        if browser and _has_screen():
            webbrowser.open(address)
        await stop.wait()
        await _close(listener)
    finally:
        studio.close()


def _key(folder: Path, token: str) -> bytes:
    """Return the key that signs sessions.

    With a login it ends with the process, and so do all sessions. Without a login a session protects only forms, and
    an open page should survive a restart.
    """
    fresh = secrets.token_hex(32)
    if token:
        return fresh.encode()
    store = SecretStore(folder.resolve() / ".secrets", "", None)
    if not store.get(_KEY):
        store.set(_KEY, fresh)
    return store.get(_KEY).encode()


async def _close(listener: "Listener") -> None:
    closing = asyncio.create_task(listener.close())
    # Pages that wait for CVAT are not waited for.
    await asyncio.wait([closing], timeout=2)
    listener.abort()
    await closing


def _has_screen() -> bool:
    """Return whether a browser would open a window, rather than fill the terminal."""
    return sys.platform == "darwin" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
