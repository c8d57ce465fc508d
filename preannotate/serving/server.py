"""The whole server: registry, dashboard and ports, from start to a graceful stop."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preannotate.core.text import plural
from preannotate.serving.access import TokenGuard
from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.connection import ConnectionLimiter
from preannotate.serving.dashboard import HEALTH, dashboard_app
from preannotate.serving.function_config import CPU_FILE, GPU_FILE
from preannotate.serving.pool import DRAIN_SECONDS
from preannotate.serving.ports import FunctionPorts, Listener, is_loopback
from preannotate.serving.registry import FunctionRegistry

# What a client may take to read the answer that it gets when its worker is cut off.
_LAST_WORDS_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerSettings:
    """How to serve.

    Attributes:
        host: Where to listen.
        port: Of the dashboard's endpoints; 0 takes a free one.
        workers: Processes for each function; None takes the number in each function.yaml.
        gpus: If there are any, the GPU variants are served, with one worker for each of these.
        token: What callers have to know; None lets everybody in.
    """

    host: str
    port: int
    workers: int | None = None
    gpus: Sequence[str] = ()
    token: str | None = None


async def serve_folder(folder: Path, settings: ServerSettings) -> None:
    """Serve the functions of a folder until SIGTERM or Ctrl-C; a second one does not wait for what is in flight.

    Raises:
        ServeError: The port cannot be opened.
    """
    stop, force_stop = _signals()
    host, token = settings.host, settings.token
    body_budget, limiter = BodyBudget(), ConnectionLimiter()
    ports = FunctionPorts(host, body_budget, limiter, token)
    registry = FunctionRegistry(
        folder,
        workers=settings.workers,
        file_name=GPU_FILE if settings.gpus else CPU_FILE,
        gpus=settings.gpus,
        opened=ports.open_port,
        closing=ports.close_port,
    )
    app = dashboard_app(registry, body_budget)
    listener = Listener(
        app if token is None else TokenGuard(app, token, open_paths=(HEALTH,)), host, settings.port, limiter
    )
    try:
        await registry.scan(at_rest=True)
        _announce(folder, settings, listener.port, len(registry.functions))
        watch = asyncio.create_task(registry.watch())
        await stop.wait()
        watch.cancel()
        _LOG.info("Stopping: requests in flight may take %g s to finish.", DRAIN_SECONDS)
    finally:
        closing = asyncio.gather(listener.close(), ports.close())
        forced = asyncio.create_task(force_stop.wait())
        either: list[asyncio.Future[Any]] = [closing, forced]
        await asyncio.wait(either, timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        forced.cancel()
        # Requests that still run lose their worker; their clients get an error.
        await registry.stop(drain_seconds=0)
        await asyncio.wait([closing], timeout=_LAST_WORDS_SECONDS)
        listener.abort()
        ports.abort()
        await closing


def _announce(folder: Path, settings: ServerSettings, port: int, count: int) -> None:
    host, file_name = settings.host, GPU_FILE if settings.gpus else CPU_FILE
    shown = f"[{host}]" if ":" in host else host
    print(f"Serving {plural(count, 'function')} of {folder} on http://{shown}:{port} (Ctrl-C stops).", flush=True)
    if settings.gpus:
        _LOG.info("GPU variants (%s), a worker of each function for each GPU: %s.", file_name, ", ".join(settings.gpus))
    if not count:
        _LOG.warning("%s: no functions yet; NAME/nuclio/%s is served once it is there.", folder, file_name)
    if is_loopback(host):
        return
    if settings.token is None:
        _LOG.warning(
            "%s: other machines can reach this server, and it has no login: whoever reaches the port can use "
            "the functions. Let a firewall admit CVAT only, or set a token (--token-file).",
            host,
        )
    else:
        _LOG.info("%s: other machines can reach this server; they need its token, which travels unencrypted.", host)


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return two events: the first SIGTERM or Ctrl-C sets one, the next the other."""
    stop, force_stop = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: (force_stop if stop.is_set() else stop).set())
    return stop, force_stop
