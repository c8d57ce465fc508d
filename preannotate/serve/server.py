"""The whole server: registry, dashboard and ports, from start to a graceful stop."""

import asyncio
import logging
import signal
from pathlib import Path

from preannotate.serve.dashboard import dashboard
from preannotate.serve.pool import DRAIN_SECONDS
from preannotate.serve.ports import FunctionPorts, Listener, is_loopback
from preannotate.serve.registry import Registry

_LOG = logging.getLogger(__name__)


async def serve(folder: Path, *, host: str, port: int, workers: int | None) -> None:
    """Serve the functions of a folder until SIGTERM or Ctrl-C; a second one does not wait for what is in flight.

    Raises:
        ServeError: The port cannot be opened.
    """
    stop, hurry = _signals()
    ports = FunctionPorts(host)
    registry = Registry(folder, workers=workers, opened=ports.opened, closing=ports.closing)
    listener = Listener(dashboard(registry), host, port)
    try:
        await registry.scan(at_rest=True)
        _announce(folder, host, listener.port, len(registry.functions))
        watch = asyncio.create_task(registry.watch())
        await stop.wait()
        watch.cancel()
        _LOG.info("Stopping: requests in flight may take %g s to finish.", DRAIN_SECONDS)
    finally:
        closing = asyncio.gather(listener.close(), ports.close())
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait([closing, hurried], timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        # What still runs loses its worker, and its client is told so.
        await registry.stop(drain_seconds=0)
        await closing


def _announce(folder: Path, host: str, port: int, count: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    print(f"Serving {count} functions of {folder} on http://{shown}:{port} (Ctrl-C stops).", flush=True)
    if not count:
        _LOG.warning("%s: no functions yet; NAME/nuclio/function.yaml is served once it is there.", folder)
    if not is_loopback(host):
        _LOG.warning(
            "%s: other machines can reach this server, and it has no login: whoever reaches the port can use "
            "the functions. Let a firewall admit CVAT only.",
            host,
        )


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Set by the first SIGTERM or Ctrl-C, and by the next one."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: (hurry if stop.is_set() else stop).set())
    return stop, hurry
