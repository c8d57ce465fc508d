"""One function being served: its configuration, its workers, its port, and a change from one version to the next.

While a new version starts, the old one answers. If the new one cannot start, the old one still goes: a directory
that says one thing and a process that does another would be worse than an error.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from preannotate.serving.function_config import FunctionConfig
from preannotate.serving.handler_process import HandlerReply
from preannotate.serving.pool import DRAIN_SECONDS, FunctionState, WorkerPool

# nuclio's dashboard shows CVAT only the functions of the project that its headers name.
_PROJECT_LABELS = {"nuclio.io/project-name": "cvat"}


class ServedFunction:
    """A function that CVAT may list and call, whatever the state of its workers.

    Attributes:
        directory: The version whose metadata is shown.
        port: Where direct calls are answered; None until a port is open.
        wanted_port: What the latest version asks for, which may still be starting.
    """

    def __init__(self, config: FunctionConfig, workers: int | None = None, gpus: Sequence[str] = ()) -> None:
        """Start the workers; `workers` or `gpus` override their number in function.yaml."""
        self.config = config
        self.port: int | None = None
        self.wanted_port = config.port
        self._workers = workers
        self._gpus = gpus
        self._pool = WorkerPool(config, workers, gpus)
        self._tasks: set[asyncio.Task[None]] = set()
        self._change = self._background(self._pool.start())

    @property
    def name(self) -> str:
        """The name, which is CVAT's id of the function."""
        return self.config.name

    @property
    def state(self) -> FunctionState:
        """The state in nuclio's words."""
        return self._pool.state

    async def settled(self) -> None:
        """Wait until the latest version has started, or failed to."""
        await asyncio.wait([self._change])

    def replace(self, config: FunctionConfig) -> None:
        """Start a new version; the old one answers until the new one is ready or has failed."""
        self.wanted_port = config.port
        self._change.cancel()
        self._change = self._background(self._replace(config))

    async def invoke(
        self, head: Mapping[str, Any], body: bytes | bytearray, client_gone: "asyncio.Future[None]"
    ) -> HandlerReply:
        """Call the handler in a worker, unless `client_gone` is done before one is free.

        Raises:
            InvocationError: There is no answer; the error has the HTTP status.
        """
        return await self._pool.invoke(head, body, client_gone)

    async def stop(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Give requests in flight `drain_seconds` to finish, and end all workers."""
        self._change.cancel()
        await self._pool.stop(drain_seconds)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def listing(self) -> dict[str, Any]:
        """Return the function as nuclio's dashboard lists it: what CVAT reads, without the environment."""
        config = self.config
        return {
            "metadata": {
                "name": config.name,
                "namespace": "nuclio",
                "labels": _PROJECT_LABELS,
                "annotations": config.annotations,
            },
            "spec": {"description": config.description, "handler": config.handler},
            "status": {"state": self.state, "message": self._pool.cause, "httpPort": self.port},
        }

    def health(self) -> dict[str, Any]:
        """Return the state of the function for /healthz."""
        return {
            "state": self.state,
            "cause": self._pool.cause,
            "workers": self._pool.alive,
            "waiting": self._pool.waiting,
            "port": self.port,
            "directory": str(self.config.path),
        }

    async def _replace(self, config: FunctionConfig) -> None:
        pool = WorkerPool(config, self._workers, self._gpus)
        try:
            await pool.start()
        except asyncio.CancelledError:
            self._background(pool.stop())
            raise
        old, self._pool, self.config = self._pool, pool, config
        self._background(old.stop())

    def _background(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
