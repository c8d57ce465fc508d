import asyncio
import re

import pytest

from preannotate.serving.errors import ClientGone, NoWorkerFree, QueueFull
from preannotate.serving.request_queue import RequestQueue

pytestmark = pytest.mark.anyio


class Worker:
    alive = True


def nobody_leaves() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


async def turns(queue: RequestQueue, count: int, seconds: float = 10) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(queue.take(seconds, nobody_leaves())) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_free_worker_is_taken_at_once_and_only_once():
    queue, worker = RequestQueue("echo"), Worker()
    queue.offer(worker)

    assert await queue.take(0, nobody_leaves()) is worker
    with pytest.raises(TimeoutError):
        await queue.take(0, nobody_leaves())


async def test_first_come_is_first_served():
    queue, workers = RequestQueue("echo"), [Worker(), Worker(), Worker()]
    waiting = await turns(queue, 3)
    assert queue.waiting == 3
    for worker in workers:
        queue.offer(worker)

    assert await asyncio.gather(*waiting) == workers
    assert queue.waiting == 0


async def test_queue_has_a_limit():
    queue = RequestQueue("echo", limit=2)
    waiting = await turns(queue, 2)
    sentence = "echo: 2 requests are already waiting for a worker, the most that may. Try again later."
    with pytest.raises(QueueFull, match=f"^{re.escape(sentence)}$"):
        await queue.take(10, nobody_leaves())
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)

    assert queue.waiting == 0


async def test_whoever_waits_too_long_leaves_the_queue():
    queue = RequestQueue("echo")
    with pytest.raises(TimeoutError):
        await queue.take(0.01, nobody_leaves())
    worker = Worker()
    queue.offer(worker)

    assert queue.waiting == 0
    assert await queue.take(0, nobody_leaves()) is worker


async def test_caller_that_hangs_up_leaves_the_queue_and_the_next_moves_up():
    queue, client_gone, worker = RequestQueue("echo"), nobody_leaves(), Worker()
    gone = asyncio.create_task(queue.take(10, client_gone))
    (patient,) = await turns(queue, 1)
    client_gone.set_result(None)
    with pytest.raises(ClientGone, match=r"^echo: the client disconnected while it waited for a worker\.$"):
        await gone
    queue.offer(worker)

    assert await patient is worker


@pytest.mark.parametrize("how", ["left", "cancelled"])
async def test_worker_given_to_somebody_who_leaves_in_the_same_moment_is_not_lost(how):
    queue, client_gone, worker = RequestQueue("echo"), nobody_leaves(), Worker()
    gone = asyncio.create_task(queue.take(10, client_gone))
    (patient,) = await turns(queue, 1)
    queue.offer(worker)
    if how == "left":
        client_gone.set_result(None)
    else:
        gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)

    assert await patient is worker


async def test_dead_workers_are_passed_over():
    queue, dead, worker = RequestQueue("echo"), Worker(), Worker()
    dead.alive = False
    (waiting,) = await turns(queue, 1)
    queue.offer(dead)
    await asyncio.sleep(0)
    queue.offer(worker)
    assert await waiting is worker

    queue.offer(dead)
    queue.offer(worker)
    assert await queue.take(0, nobody_leaves()) is worker


async def test_worker_that_ended_while_free_is_forgotten():
    queue, worker = RequestQueue("echo"), Worker()
    queue.offer(worker)
    queue.withdraw(worker)
    queue.withdraw(worker)
    with pytest.raises(TimeoutError):
        await queue.take(0, nobody_leaves())


async def test_closed_queue_lets_nobody_wait():
    queue = RequestQueue("echo")
    (waiting,) = await turns(queue, 1)
    queue.close()
    sentence = re.escape("echo: the function is being stopped. Try again later.")
    with pytest.raises(NoWorkerFree, match=f"^{sentence}$"):
        await waiting
    with pytest.raises(NoWorkerFree, match=f"^{sentence}$"):
        await queue.take(10, nobody_leaves())
    assert queue.waiting == 0
