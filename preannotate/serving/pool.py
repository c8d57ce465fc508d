"""The workers of one function: a task for each keeps its process alive, and a request goes to any that is free."""

import asyncio
import enum
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from preannotate.inference.worker_process import worker_environment
from preannotate.serving.devices import gpu_environment
from preannotate.serving.errors import (
    ClientGone,
    FunctionNotReady,
    InvocationError,
    NoWorkerFree,
    QueueFull,
    StartError,
    WorkerDied,
)
from preannotate.serving.function_config import FunctionConfig
from preannotate.serving.handler_process import HandlerProcess, HandlerReply

# How long work in flight may take to finish when the pool stops; nuclio's workerTerminationTimeout.
DRAIN_SECONDS = 10.0
# For each function. With two workers at 100 ms the last in the queue is answered after 3 s, well within the 10 s that
# `preannotate build` lets a request wait; a later client had better try again than hold a body here.
MAX_WAITING = 64
# A worker that ends again and again without ever having had a request is started less and less often: the delay doubles
# from the first to one of the others.
RESTART_DELAY_SECONDS = 1.0
# It was killed from outside, by the system or a person: nothing is wrong with the function.
MAX_KILLED_DELAY_SECONDS = 5.0
MAX_RESTART_DELAY_SECONDS = 30.0
# The function itself does not start: a broken one costs little at this rate.
MAX_BROKEN_DELAY_SECONDS = 300.0
# After so long a worker counts as well, and its end as the first.
_WELL_SECONDS = 60.0
_LOG = logging.getLogger(__name__)


class FunctionState(enum.StrEnum):
    """The state of a function, in nuclio's words.

    READY has a worker, UNHEALTHY none at the moment, and ERROR none because the function does not start.
    """

    BUILDING = "building"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    ERROR = "error"


class WorkerPool:
    """Worker processes of one version of a function directory.

    Attributes:
        size: How many workers there should be.
        alive: How many workers are ready or busy.
        cause: The last reason why a worker ended or could not be started; "" while all is well.
    """

    def __init__(self, config: FunctionConfig, workers: int | None = None, gpus: Sequence[str] = ()) -> None:
        """Prepare a pool; `start` starts one process for each GPU, else `workers`, else the number in function.yaml."""
        self.alive = 0
        self.cause = ""
        self._config = config
        self.size = len(gpus) or workers or config.workers
        environment = worker_environment(self.size) | config.environment
        self._environments = [gpu_environment(gpu, environment) for gpu in gpus] or [environment] * self.size
        self._queue = RequestQueue(config.name)
        self._keepers: list[asyncio.Task[None]] = []
        self._in_flight = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._settled = self._broken = False

    @property
    def state(self) -> FunctionState:
        """The state of the function, if this is the version that answers."""
        if not self._settled:
            return FunctionState.BUILDING
        if self.alive:
            return FunctionState.READY
        return FunctionState.ERROR if self._broken else FunctionState.UNHEALTHY

    @property
    def problem(self) -> str:
        """A sentence if fewer workers run than should; else ""."""
        if self.alive >= self.size:
            return ""
        why = self.cause or ("starting" if not self._settled else "restarting")
        return f"{self._config.name}: {self.alive} of {self.size} workers are running ({why})."

    @property
    def waiting(self) -> int:
        """How many requests wait for a worker."""
        return self._queue.waiting

    async def start(self) -> None:
        """Start all workers; return once each is ready or has failed to start for the first time."""
        loop = asyncio.get_running_loop()
        firsts = [loop.create_future() for _ in range(self.size)]
        self._keepers = [asyncio.create_task(self._keep(worker_id, first)) for worker_id, first in enumerate(firsts)]
        await asyncio.gather(*firsts)
        self._settled = True
        if self.alive:
            self._log_ready()
        else:
            _LOG.error(
                "%s: could not be started (%s). "
                "It is tried again, less and less often, and when its directory changes.",
                self._config.name,
                self.cause,
            )

    async def invoke(
        self, head: Mapping[str, Any], body: bytes | bytearray, client_gone: "asyncio.Future[None]"
    ) -> HandlerReply:
        """Call the handler in a free worker, waiting for one as long as the trigger allows.

        `head` has the keys of a nuclio event. `client_gone` is done once nobody waits for the answer: a worker that has
        the request then finishes it all the same, otherwise the request gets no worker. If the worker dies, another one
        gets the request, once: asking twice changes nothing.

        Raises:
            InvocationError: There is no answer; the error has the HTTP status.
        """
        if self.state is FunctionState.ERROR:
            raise FunctionNotReady(f"{self._config.name}: not ready ({self.cause}). Fix the function.")
        self._in_flight += 1
        self._drained.clear()
        try:
            worker = await self._next_free(client_gone)
            try:
                reply = await worker.invoke(head, body)
            except WorkerDied as error:
                if client_gone.done():
                    raise
                _LOG.warning("%s: the request is tried once more.", self._config.name)
                try:
                    worker = await self._next_free(client_gone, again=True)
                except InvocationError:
                    raise error from None
                reply = await worker.invoke(head, body)
            self._queue.offer(worker)
            return reply
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._drained.set()

    async def stop(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Give requests in flight `drain_seconds` to finish, and end all workers."""
        try:
            async with asyncio.timeout(drain_seconds):
                await self._drained.wait()
        except TimeoutError:
            _LOG.warning("%s: %d requests were still running and were aborted.", self._config.name, self._in_flight)
        finally:
            await self._end_keepers()
            self._queue.close()

    async def _next_free(self, client_gone: "asyncio.Future[None]", *, again: bool = False) -> HandlerProcess:
        seconds = self._config.queue_seconds
        try:
            return await self._queue.take(seconds, client_gone, again=again)
        except TimeoutError as error:
            raise NoWorkerFree(
                f"{self._config.name}: no worker became free within {seconds:g} s "
                f"({self.alive} of {self.size} are running, the function is {self.state}). Try again later."
            ) from error

    async def _keep(self, worker_id: int, first: "asyncio.Future[bool]") -> None:
        """Keep one worker alive, for ever, whatever happens; `first` gets whether its first start worked."""
        delay, logged = 0.0, ""
        while True:
            longest = MAX_RESTART_DELAY_SECONDS
            try:
                worker = await HandlerProcess.start(self._config, worker_id, self._environments[worker_id])
                logged = ""
                if await self._watch(worker, worker_id, first):
                    delay = 0.0
            except StartError as error:
                if str(error) != logged:
                    _LOG.error("%s", error)
                self.cause = logged = str(error)
                self._broken = not error.killed
                longest = MAX_KILLED_DELAY_SECONDS if error.killed else MAX_BROKEN_DELAY_SECONDS
                delay = max(delay, RESTART_DELAY_SECONDS)
            except Exception as error:  # no process, no thread, or a fault of ours: the next try may work
                _LOG.exception(
                    "%s/%d: the worker could not be kept running; trying again.", self._config.name, worker_id
                )
                self.cause = f"{self._config.name}/{worker_id}: {error or type(error).__name__}"
                delay = max(delay, RESTART_DELAY_SECONDS)
            if not first.done():
                first.set_result(False)
            await asyncio.sleep(min(delay, longest))
            delay = min(longest, max(RESTART_DELAY_SECONDS, 2 * delay))

    async def _watch(self, worker: HandlerProcess, worker_id: int, first: "asyncio.Future[bool]") -> bool:
        """Offer a worker to requests until it ends; return whether it was of use: it had a request, or lived long."""
        began = asyncio.get_running_loop().time()
        down = not self.alive
        self.alive += 1
        self._broken = False
        self.cause = "" if self.alive == self.size else self.cause
        try:
            self._queue.offer(worker)
            if not first.done():
                first.set_result(True)
            elif down and self._settled:
                self._log_ready()
            reason = await worker.wait()
        finally:
            self.alive -= 1
            self._queue.withdraw(worker)
            await worker.stop()
        self.cause = f"{self._config.name}/{worker_id}: the worker failed ({reason})"
        _LOG.error("%s; a new one is started.", self.cause)
        return worker.used or asyncio.get_running_loop().time() - began >= _WELL_SECONDS

    def _log_ready(self) -> None:
        _LOG.info("%s: ready, %d of %d workers.", self._config.name, self.alive, self.size)

    async def _end_keepers(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        results = await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers = []
        for result in results:
            if isinstance(result, Exception):
                _LOG.error("%s: %s", self._config.name, result)


class RequestQueue:
    """Free workers, and the requests that wait for one: first come, first served, up to a limit.

    Whenever a worker is free, no request waits: `offer` gives it to the first of them at once. Of several free workers
    the one that was busy last is taken: its memory is still in the processor's caches.
    """

    def __init__(self, name: str, limit: int = MAX_WAITING) -> None:
        """Create an empty queue; `name` is the function's, for errors."""
        self._name = name
        self._limit = limit
        self._free: list[HandlerProcess] = []
        self._waiting: deque[asyncio.Future[HandlerProcess]] = deque()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def offer(self, worker: HandlerProcess) -> None:
        """Add a worker that is free."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(worker)
                return
        self._free.append(worker)

    def withdraw(self, worker: HandlerProcess) -> None:
        """Remove a worker that has ended; it may have been free."""
        if worker in self._free:
            self._free.remove(worker)

    def close(self) -> None:
        """Refuse all requests, those that wait too: there will be no more workers."""
        self._closed = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(self._stopped())

    async def take(self, seconds: float, client_gone: "asyncio.Future[None]", *, again: bool = False) -> HandlerProcess:
        """Return a worker that is alive, for the caller alone until it is offered again; 0 s does not wait.

        A request that had its turn before (`again`) waits in front of the others, in no limit.

        Raises:
            TimeoutError: No worker became free in time.
            QueueFull: Too many wait already.
            NoWorkerFree: The queue is closed.
            ClientGone: The client disconnected first.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            worker = self._free.pop() if self._free else await self._turn(deadline, client_gone, again)
            if worker.alive:
                return worker

    async def _turn(self, deadline: float, client_gone: "asyncio.Future[None]", again: bool) -> HandlerProcess:
        if self._closed:
            raise self._stopped()
        loop = asyncio.get_running_loop()
        seconds = deadline - loop.time()
        if seconds <= 0:
            raise TimeoutError
        if len(self._waiting) >= self._limit and not again:
            raise QueueFull(
                f"{self._name}: {self._limit} requests are already waiting for a worker, the most that may. "
                f"Try again later."
            )
        turn: asyncio.Future[HandlerProcess] = loop.create_future()
        (self._waiting.appendleft if again else self._waiting.append)(turn)
        try:
            await asyncio.wait((turn, client_gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if client_gone.done():
                raise ClientGone(f"{self._name}: the client disconnected while it waited for a worker.")
            if not turn.done():
                raise TimeoutError
            return turn.result()
        except BaseException:
            if not turn.done():
                self._waiting.remove(turn)
            elif turn.exception() is None:  # a worker in the same moment: it is the next request's
                self.offer(turn.result())
            raise

    def _stopped(self) -> NoWorkerFree:
        return NoWorkerFree(f"{self._name}: the function is being stopped. Try again later.")
