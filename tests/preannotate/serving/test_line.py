import asyncio
import re

import pytest

from preannotate.serving.errors import CallerLeft, LineFull, NoWorkerFree
from preannotate.serving.request_queue import Line

pytestmark = pytest.mark.anyio


class Worker:
    alive = True


def nobody_leaves() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


async def turns(line: Line, count: int, seconds: float = 10) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(line.take(seconds, nobody_leaves())) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_free_worker_is_taken_at_once_and_only_once():
    line, worker = Line("echo"), Worker()
    line.offer(worker)

    assert await line.take(0, nobody_leaves()) is worker
    with pytest.raises(TimeoutError):
        await line.take(0, nobody_leaves())


async def test_first_come_is_first_served():
    line, workers = Line("echo"), [Worker(), Worker(), Worker()]
    waiting = await turns(line, 3)
    assert line.waiting == 3
    for worker in workers:
        line.offer(worker)

    assert await asyncio.gather(*waiting) == workers
    assert line.waiting == 0


async def test_line_has_an_end():
    line = Line("echo", limit=2)
    waiting = await turns(line, 2)
    sentence = "echo: 2 requests wait for a worker already, the most that may. Try again later."
    with pytest.raises(LineFull, match=f"^{re.escape(sentence)}$"):
        await line.take(10, nobody_leaves())
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)

    assert line.waiting == 0


async def test_whoever_waits_too_long_leaves_the_line():
    line = Line("echo")
    with pytest.raises(TimeoutError):
        await line.take(0.01, nobody_leaves())
    worker = Worker()
    line.offer(worker)

    assert line.waiting == 0
    assert await line.take(0, nobody_leaves()) is worker


async def test_caller_that_hangs_up_leaves_the_line_and_the_next_moves_up():
    line, left, worker = Line("echo"), nobody_leaves(), Worker()
    gone = asyncio.create_task(line.take(10, left))
    (patient,) = await turns(line, 1)
    left.set_result(None)
    with pytest.raises(CallerLeft, match=r"^echo: the caller hung up while it waited for a worker\.$"):
        await gone
    line.offer(worker)

    assert await patient is worker


@pytest.mark.parametrize("how", ["left", "cancelled"])
async def test_worker_given_to_somebody_who_leaves_in_the_same_moment_is_not_lost(how):
    line, left, worker = Line("echo"), nobody_leaves(), Worker()
    gone = asyncio.create_task(line.take(10, left))
    (patient,) = await turns(line, 1)
    line.offer(worker)
    if how == "left":
        left.set_result(None)
    else:
        gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)

    assert await patient is worker


async def test_dead_workers_are_passed_over():
    line, dead, worker = Line("echo"), Worker(), Worker()
    dead.alive = False
    (waiting,) = await turns(line, 1)
    line.offer(dead)
    await asyncio.sleep(0)
    line.offer(worker)
    assert await waiting is worker

    line.offer(dead)
    line.offer(worker)
    assert await line.take(0, nobody_leaves()) is worker


async def test_worker_that_ended_while_free_is_forgotten():
    line, worker = Line("echo"), Worker()
    line.offer(worker)
    line.withdraw(worker)
    line.withdraw(worker)
    with pytest.raises(TimeoutError):
        await line.take(0, nobody_leaves())


async def test_closed_line_lets_nobody_wait():
    line = Line("echo")
    (waiting,) = await turns(line, 1)
    line.close()
    sentence = re.escape("echo: the function is being stopped. Try again later.")
    with pytest.raises(NoWorkerFree, match=f"^{sentence}$"):
        await waiting
    with pytest.raises(NoWorkerFree, match=f"^{sentence}$"):
        await line.take(10, nobody_leaves())
    assert line.waiting == 0
