"""Free workers, and the requests that wait for one: first come, first served, up to a limit."""

import asyncio
from collections import deque

from preannotate.serving.errors import ClientGone, NoWorkerFree, QueueFull
from preannotate.serving.handler_process import HandlerProcess

# For each function. With two workers at 100 ms the last in the queue is answered after 3 s, well within the 10 s that
# `preannotate build` lets a request wait; a later client had better try again than hold a body here.
MAX_WAITING = 64


class RequestQueue:
    """Hands free workers to requests.

    Whenever a worker is free, no request waits: `offer` gives it to the first of them at once.
    """

    def __init__(self, name: str, limit: int = MAX_WAITING) -> None:
        """Create an empty queue; `name` is the function's, for errors."""
        self._name = name
        self._limit = limit
        self._free: deque[HandlerProcess] = deque()
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

    async def take(self, seconds: float, client_gone: "asyncio.Future[None]") -> HandlerProcess:
        """Return a worker that is alive, for the caller alone until it is offered again.

        Args:
            seconds: How long to wait at most; 0 takes a free one or none.
            client_gone: Done as soon as the client has disconnected.

        Raises:
            TimeoutError: No worker became free in time.
            QueueFull: Too many wait already.
            NoWorkerFree: The queue is closed.
            ClientGone: The client disconnected first.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            worker = self._free.popleft() if self._free else await self._turn(deadline, client_gone)
            if worker.alive:
                return worker

    async def _turn(self, deadline: float, client_gone: "asyncio.Future[None]") -> HandlerProcess:
        if self._closed:
            raise self._stopped()
        loop = asyncio.get_running_loop()
        seconds = deadline - loop.time()
        if seconds <= 0:
            raise TimeoutError
        if len(self._waiting) >= self._limit:
            raise QueueFull(
                f"{self._name}: {self._limit} requests are already waiting for a worker, the most that may. "
                f"Try again later."
            )
        turn: asyncio.Future[HandlerProcess] = loop.create_future()
        self._waiting.append(turn)
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
            elif turn.exception() is None:  # a worker in the same moment: it is the next one's
                self.offer(turn.result())
            raise

    def _stopped(self) -> NoWorkerFree:
        return NoWorkerFree(f"{self._name}: the function is being stopped. Try again later.")
