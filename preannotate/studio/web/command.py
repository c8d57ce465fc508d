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

from preannotate.core.terminal import log_to_stderr
from preannotate.registry.workspace import Workspace
from preannotate.serving.command import check_packages, check_port
from preannotate.studio.errors import StudioError
from preannotate.studio.secrets import SecretStore

if TYPE_CHECKING:
    from preannotate.serving.listener import Listener

_KEY = "studio-sessions"
PACKAGES = {"starlette": "starlette", "uvicorn": "uvicorn", "jinja2": "jinja2", "cvat_sdk": "cvat-sdk"}


def serve_studio(
    workspace: Path,
    host: str,
    port: int,
    *,
    token_file: Path | None = None,
    allowed: Sequence[str] = (),
    browser: bool = True,
) -> int:
    """Serve the studio until SIGTERM or Ctrl-C.

    Args:
        workspace: Created if it does not exist.
        host: Address to listen on; a token is required unless it is a loopback address.
        port: 0 chooses a free port.
        token_file: Holds the token; the environment variable PREANNOTATE_STUDIO_TOKEN can hold it instead.
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
    exposed = None
    if allowed:
        exposed = f"--allow-host {allowed[0]}: others could reach the studio by that name"
    elif not is_loopback(host):
        exposed = f"--host {host}: other machines could reach the studio"
    if exposed and not token:
        raise StudioError(
            f"{exposed}, and it has no login; expected a token. "
            f"Write one into a file of mode 0600 and name it: --token-file FILE."
        )
    log_to_stderr()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    asyncio.run(_serve(workspace, host, port, token, allowed, browser))
    return 0


async def _serve(folder: Path, host: str, port: int, token: str, allowed: Sequence[str], browser: bool) -> None:
    from preannotate.serving.listener import Listener, is_loopback
    from preannotate.studio.services import Services
    from preannotate.studio.web.access.headers import LOOPBACK_NAMES, names_of_this_machine
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
