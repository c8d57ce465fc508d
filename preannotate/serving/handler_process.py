"""A worker process of a served function: its limits of time, its log, and replies by nuclio's rules.

The worker is synchronous; threads of its own wait for it, so that the server's event loop never does.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from preannotate.inference.worker_process import WorkerError, WorkerProcess
from preannotate.serving.errors import HandlerTimedOut, StartError, WorkerDied
from preannotate.serving.function_config import FunctionConfig

# What a function may take to end by itself once it has nothing to do.
STOP_SECONDS = 5.0
_LOG = logging.getLogger(__name__)
_Return = TypeVar("_Return")


@dataclass(frozen=True)
class HandlerReply:
    """The handler's response, by nuclio's rules."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes


class HandlerProcess:
    """A running worker; `used` is whether it has had a request."""

    def __init__(self, config: FunctionConfig, worker_id: int, environment: Mapping[str, str]) -> None:
        """Start a process with the whole `environment`; use `start`, which waits until it is ready."""
        self.used = self._busy = False
        self._config = config
        self._name = f"{config.name}/{worker_id}"
        self._worker = WorkerProcess(
            config.path,
            ["handler", config.handler, str(worker_id), config.trigger],
            name=self._name,
            environment=environment,
            on_log_line=lambda line: _LOG.info("%s| %s", self._name, line),
        )
        # One waits for the end, one for a reply.
        self._threads = ThreadPoolExecutor(2)
        try:
            self._ended = self._in_thread(self._worker.wait)
        except BaseException:  # no thread is left for it: nobody else would end the process
            self._worker.close()
            raise

    @classmethod
    async def start(cls, config: FunctionConfig, worker_id: int, environment: Mapping[str, str]) -> "HandlerProcess":
        """Start a process and wait until its function is ready; arguments as in `__init__`.

        Raises:
            StartError: It failed, ended, or took longer than readinessTimeoutSeconds.
        """
        started = cls(config, worker_id, environment)
        seconds = config.readiness_seconds
        try:
            async with asyncio.timeout(seconds):
                await started._in_thread(started._worker.wait_until_ready)
        except TimeoutError as error:
            await started._end()
            raise StartError(
                f"{started._name}: not ready after {seconds:g} s; expected init_context to return by then. "
                f"Raise spec.readinessTimeoutSeconds if the model is large."
            ) from error
        except WorkerError as error:
            await started._end()
            raise StartError(str(error), killed=error.killed) from error
        except BaseException:
            await started._end()
            raise
        return started

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._worker.alive

    async def invoke(self, head: Mapping[str, Any], body: bytes | bytearray) -> HandlerReply:
        """Hand one request to the handler and wait for its reply; an interruption kills the process.

        `head` has the keys of a nuclio event, without trigger, size and body.

        Raises:
            HandlerTimedOut: It took longer than eventTimeout; the process was killed.
            WorkerDied: The process ended instead of answering.
        """
        seconds = self._config.event_seconds
        self.used = self._busy = True
        try:
            async with asyncio.timeout(seconds):
                reply, answer = await self._in_thread(self._worker.exchange, head, body)
        except TimeoutError as error:
            self.kill()
            _LOG.error("%s: the handler took longer than %g s (eventTimeout); killed.", self._name, seconds)
            raise HandlerTimedOut(
                f"{self._name}: the handler took longer than {seconds:g} s; a new worker is started. "
                f"Send a smaller image, or raise eventTimeout in function.yaml."
            ) from error
        except WorkerError as error:
            raise WorkerDied(f"{error}; a new one is started. See the server's log.") from error
        except BaseException:
            self.kill()
            raise
        finally:
            self._busy = False
        return HandlerReply(reply["status"], reply["content_type"], reply["headers"], answer)

    def kill(self) -> None:
        """End the process and its children at once."""
        self._worker.kill()

    async def wait(self) -> str:
        """Wait for the end; return the reason."""
        return await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Let an idle process end by itself, and kill it if it does not."""
        if self._busy:
            self.kill()
        try:
            if not await self._in_thread(self._worker.stop, STOP_SECONDS):
                _LOG.warning("%s: did not end within %g s; killed.", self._name, STOP_SECONDS)
        finally:
            await self._end()

    async def _end(self) -> None:
        self.kill()
        await self.wait()
        self._threads.submit(self._worker.close)
        self._threads.shutdown(wait=False)

    def _in_thread(self, function: Callable[..., _Return], *arguments: Any) -> "asyncio.Future[_Return]":
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
